//! What the host refuses: the policy says what happens, and nothing traps.

use serde_json::{Value, json};
use weir_wasm_tests::{Fault, Status};

use crate::fixture::{Limited, Verdict, by_user, limit, on_error, rate, slot, user, with};

/// Three at once, and one an hour.
fn three() -> Value {
    slot(&[by_user(rate(1, 3_600_000, 3))])
}

/// In buckets that other workers change all the time.
fn busy() -> Fault {
    Fault::of("proxy_set_shared_data", Status::CasMismatch)
}

#[test]
fn a_worker_that_comes_too_late_tries_again() {
    for times in [1, 5, 40] {
        let limited = Limited::on(2, &three());
        limited.process.fault(busy().times(times));
        assert_eq!(limited.drain(&user("alice")), 3, "{times}");
        assert_eq!(limited.counted("failed", "api", "user"), 0);
    }
}

#[test]
fn a_worker_that_always_comes_too_late_does_as_the_policy_says() {
    let expected = [("allow", Verdict::Passed), ("deny", Verdict::Unavailable)];
    for (what, verdict) in expected {
        let limited = Limited::on(1, &on_error(three(), what));
        limited.process.fault(busy());
        for _ in 0..5 {
            assert_eq!(limited.ask(0, &user("alice")), verdict, "{what}");
        }
        limited.process.clear_faults();
        assert_eq!(limited.drain(&user("alice")), 3, "{what}: nothing was counted");
        assert_eq!(limited.counted("failed", "api", "user"), 5);
        assert_eq!(limited.counted("allowed", "api", "user"), 3);
    }
}

#[test]
fn a_host_that_fails_is_as_the_policy_says() {
    let functions = [
        "proxy_get_shared_data",
        "proxy_set_shared_data",
        "proxy_get_current_time_nanoseconds",
        "proxy_get_header_map_pairs",
    ];
    let expected = [("allow", Verdict::Passed), ("deny", Verdict::Unavailable)];
    let statuses = [Status::InternalFailure, Status::Unimplemented];
    for function in functions {
        for (what, verdict) in expected {
            for status in statuses {
                for first in [true, false] {
                    let limited = Limited::on(1, &on_error(three(), what));
                    if !first {
                        limited.ask(0, &user("bob"));
                    }
                    limited.fail(function, status);
                    let said = limited.ask(0, &user("alice"));
                    assert_eq!(said, verdict, "{function} {status:?}, {what}, first: {first}");
                    limited.process.clear_faults();
                    assert_eq!(limited.counted("failed", "api", "user"), 1, "{function}, {what}");
                    assert_eq!(limited.drain(&user("alice")), 3, "{function}");
                }
            }
        }
    }
}

#[test]
fn a_shadow_lets_requests_pass_that_it_cannot_count() {
    let mut configuration = on_error(three(), "deny");
    configuration["policies"]["default/api"]["shadow"] = true.into();
    for function in ["proxy_get_shared_data", "proxy_get_current_time_nanoseconds"] {
        let limited = Limited::on(1, &configuration);
        limited.fail(function, Status::InternalFailure);
        assert_eq!(limited.ask(0, &user("alice")), Verdict::Passed, "{function}");
    }
}

#[test]
fn a_request_that_no_policy_is_for_passes_whatever_fails() {
    let mut configuration = on_error(three(), "deny");
    configuration["rules"][0]["match"] = json!({"path": {"type": "Prefix", "value": "/elsewhere"}});
    let limited = Limited::on(1, &configuration);
    for function in ["proxy_get_shared_data", "proxy_get_current_time_nanoseconds"] {
        limited.fail(function, Status::InternalFailure);
        assert_eq!(limited.ask(0, &user("alice")), Verdict::Passed, "{function}");
    }
}

#[test]
fn a_client_without_an_address_lacks_a_value() {
    let address = json!([{"clientAddress": {"trustedHops": 0, "ipv4Prefix": 32, "ipv6Prefix": 64}}]);
    let by_address = limit("address", address, rate(1, 3_600_000, 1));
    let expected = [
        ("shared", [Verdict::Passed, Verdict::Limited]),
        ("skip", [Verdict::Passed, Verdict::Passed]),
        ("reject", [Verdict::KeyMissing, Verdict::KeyMissing]),
    ];
    for (what, verdicts) in expected {
        for status in [Status::NotFound, Status::InternalFailure] {
            let limit = with(by_address.clone(), "onMissingKey", what.into());
            let limited = Limited::on(1, &slot(&[limit]));
            limited.fail("proxy_get_property", status);
            let from =
                |last: u8| user("alice").property(&["source", "address"], format!("203.0.113.{last}:99"));
            assert_eq!(
                [from(7), from(8)].map(|request| limited.ask(0, &request)),
                verdicts,
                "{what}"
            );
        }
    }
}

#[test]
fn a_limit_that_was_charged_gets_it_back_when_the_next_cannot_be() {
    for status in [Status::CasMismatch, Status::InternalFailure] {
        let limits = [
            by_user(rate(1, 3_600_000, 3)),
            limit("all", json!([]), rate(1, 3_600_000, 100)),
        ];
        let limited = Limited::on(1, &on_error(slot(&limits), "deny"));
        // The first limit is written, the second is not, however often it is tried; then the first is again.
        let tries = if status == Status::CasMismatch { 64 } else { 1 };
        let fault = Fault::of("proxy_set_shared_data", status);
        limited.process.fault(fault.after(1).times(tries));
        assert_eq!(limited.ask(0, &user("alice")), Verdict::Unavailable);
        limited.process.clear_faults();
        assert_eq!(limited.drain(&user("alice")), 3, "{status:?}");
    }
}

#[test]
fn what_cannot_be_given_back_lets_nobody_through() {
    let limits = [
        by_user(rate(1, 3_600_000, 3)),
        limit("all", json!([]), rate(1, 3_600_000, 100)),
    ];
    let limited = Limited::on(1, &on_error(slot(&limits), "deny"));
    limited
        .process
        .fault(Fault::of("proxy_set_shared_data", Status::InternalFailure).after(1));
    assert_eq!(limited.ask(0, &user("alice")), Verdict::Unavailable);
    limited.process.clear_faults();
    assert_eq!(limited.drain(&user("alice")), 2);
}

#[test]
fn an_answer_that_takes_no_field_goes_out_without() {
    for status in [Status::BadArgument, Status::InternalFailure] {
        let limited = Limited::on(1, &three());
        limited.fail("proxy_add_header_map_value", status);
        let stream = limited.plugin.worker(0).open(user("alice")).unwrap();
        let answer = [(":status", "200")].into_iter().collect();
        assert_eq!(stream.response_headers(answer, true).unwrap().content.len(), 1);
        stream.finish().unwrap();
    }
}

#[test]
fn a_refusal_that_cannot_be_sent_lets_nobody_through() {
    let limited = Limited::on(1, &three());
    limited.drain(&user("alice"));
    limited.fail("proxy_send_local_response", Status::BadArgument);
    let outcome = limited.outcome(0, &user("alice"));
    assert_eq!(outcome.action, weir_wasm_tests::Action::Pause);
}
