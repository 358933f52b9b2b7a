//! What the host refuses: the client's request goes on.

use serde_json::json;
use weir_wasm_tests::{Fault, Status};

use crate::fixture::{Cached, assert_all, plain, policy, slot, text, with};
use crate::origin::{ms, versioned};

/// Everything that the filter calls while requests pass.
const FUNCTIONS: [&str; 16] = [
    "proxy_get_header_map_pairs",
    "proxy_get_header_map_value",
    "proxy_add_header_map_value",
    "proxy_replace_header_map_value",
    "proxy_remove_header_map_value",
    "proxy_get_current_time_nanoseconds",
    "proxy_get_shared_data",
    "proxy_set_shared_data",
    "proxy_get_property",
    "proxy_get_buffer_bytes",
    "proxy_http_call",
    "proxy_enqueue_shared_queue",
    "proxy_dequeue_shared_queue",
    "proxy_register_shared_queue",
    "proxy_call_foreign_function",
    "proxy_send_local_response",
];

/// Misses, hits, validations and refreshes with followers, over two workers.
fn traffic(cached: &Cached, what: &str) {
    cached
        .origin
        .answer(|request| versioned("v1", "max-age=1")(request).after(ms(20)));
    for round in 0..4 {
        for path in ["/a", "/b", "/a"] {
            let crowd = cached.crowd(6, path);
            cached.advance(6_500);
            for exchange in &crowd {
                assert!(exchange.is_complete(), "{what}, round {round}: {exchange}");
                let answer = exchange.response().unwrap();
                assert_eq!(
                    (answer.status, text(&answer)),
                    (200, "v1"),
                    "{what}, round {round}: {exchange}"
                );
            }
        }
    }
    assert!(cached.process.traps().is_empty(), "{what}");
}

fn configuration() -> serde_json::Value {
    let policy = with(
        policy(),
        "/stale",
        json!({"whileRevalidateMs": 1_500, "ifErrorMs": 0}),
    );
    slot(&with(
        policy,
        "/compress",
        json!({"minBytes": 1, "types": ["text/*"]}),
    ))
}

#[test]
fn whatever_the_host_refuses_clients_get_their_answers() {
    for function in FUNCTIONS {
        for status in [Status::InternalFailure, Status::BadArgument, Status::NotFound] {
            // Envoy never says so, and the SDK knows no such answer.
            if (function, status) == ("proxy_http_call", Status::NotFound) {
                continue;
            }
            let cached = Cached::on(2, &configuration());
            cached.fail(function, status);
            traffic(&cached, &format!("{function} {status:?}"));
            cached.process.clear_faults();
            cached.advance(10_000);
            traffic(&cached, &format!("after {function} {status:?}"));
        }
    }
}

#[test]
fn whatever_the_host_refuses_now_and_then_clients_get_their_answers() {
    for function in FUNCTIONS {
        for chance in [0.1, 0.5] {
            let cached = Cached::on(2, &configuration());
            cached
                .process
                .fault(Fault::of(function, Status::InternalFailure).chance(chance));
            traffic(&cached, &format!("{function} {chance}"));
        }
    }
}

#[test]
fn a_worker_that_comes_too_late_tries_again() {
    for times in [1, 5, 20] {
        let cached = Cached::on(2, &plain());
        cached
            .process
            .fault(Fault::of("proxy_set_shared_data", Status::CasMismatch).times(times));
        let crowd = cached.crowd(10, "/a");
        assert_eq!(cached.origin.count(), 1, "{times}");
        assert_all(&crowd, "/a");
    }
}

#[test]
fn a_response_that_could_not_be_changed_does_not_keep_others_waiting() {
    let cached = Cached::on(2, &plain());
    cached
        .origin
        .answer(|request| versioned("v1", "max-age=60")(request).after(ms(100)));
    cached
        .process
        .fault(Fault::of("proxy_add_header_map_value", Status::InternalFailure).once());
    let crowd = cached.crowd(10, "/a");
    cached.advance(210);
    assert_all(&crowd, "v1");
}
