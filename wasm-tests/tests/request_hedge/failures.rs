//! What the host refuses: the request goes on.

use weir_wasm_tests::{Fault, Request, Status};

use crate::fixture::{Hedged, assert_whole, plain};

/// Everything that the filter calls while requests pass.
const FUNCTIONS: [&str; 10] = [
    "proxy_get_header_map_pairs",
    "proxy_get_header_map_value",
    "proxy_replace_header_map_value",
    "proxy_remove_header_map_value",
    "proxy_get_current_time_nanoseconds",
    "proxy_get_shared_data",
    "proxy_set_shared_data",
    "proxy_get_property",
    "proxy_define_metric",
    "proxy_increment_metric",
];

/// Requests over some seconds, slow ones and quick ones: all are answered.
fn traffic(hedged: &Hedged, what: &str) {
    hedged.replicas.first_takes(60);
    let mut exchanges = hedged.stream(60, 10);
    hedged.advance(1_000);
    exchanges.extend(hedged.stream(60, 50));
    hedged.advance(1_000);
    exchanges.iter().for_each(assert_whole);
    assert!(hedged.process.traps().is_empty(), "{what}");
}

#[test]
fn whatever_the_host_refuses_clients_get_their_answers() {
    for function in FUNCTIONS {
        for status in [Status::InternalFailure, Status::BadArgument, Status::NotFound] {
            for warm in [true, false] {
                let start = if warm { Hedged::on } else { Hedged::cold };
                let hedged = start(2, &plain());
                let what = format!("{function} {status:?} {warm}");
                hedged.fail(function, status);
                traffic(&hedged, &what);
                hedged.process.clear_faults();
                hedged.advance(10_000);
                traffic(&hedged, &format!("after {what}"));
                hedged.advance(10_000);
                assert!(hedged.tries(0) == 2 && hedged.tries(1) == 2, "after {what}");
            }
        }
    }
}

#[test]
fn whatever_the_host_refuses_now_and_then_clients_get_their_answers() {
    for function in FUNCTIONS {
        for chance in [0.1, 0.5] {
            let hedged = Hedged::on(2, &plain());
            let fault = Fault::of(function, Status::InternalFailure).chance(chance);
            hedged.process.fault(fault);
            traffic(&hedged, &format!("{function} {chance}"));
        }
    }
}

#[test]
fn requests_count_whatever_the_host_refuses() {
    let functions = [
        ("proxy_get_current_time_nanoseconds", Status::InternalFailure),
        ("proxy_get_shared_data", Status::InternalFailure),
        ("proxy_set_shared_data", Status::InternalFailure),
        ("proxy_set_shared_data", Status::CasMismatch),
        ("proxy_replace_header_map_value", Status::InternalFailure),
    ];
    for (function, status) in functions {
        for warm in [true, false] {
            let start = if warm { Hedged::on } else { Hedged::cold };
            let hedged = start(2, &plain());
            let before = hedged.decisions();
            hedged.fail(function, status);
            let exchanges = hedged.stream(50, 20);
            hedged.process.clear_faults();
            hedged.advance(2_000);
            exchanges.iter().for_each(assert_whole);
            assert_eq!(hedged.decisions() - before, 50, "{function} {status:?} {warm}");
        }
    }
}

#[test]
fn a_worker_that_cannot_settle_goes_on_with_what_it_has() {
    for status in [Status::CasMismatch, Status::InternalFailure] {
        let hedged = Hedged::on(1, &plain());
        hedged.stream(20, 10);
        hedged.replicas.first_takes(60);
        hedged.fail("proxy_set_shared_data", status);
        hedged.advance(600);
        assert_eq!(hedged.tries(0), 2, "{status:?}");
    }
}

#[test]
fn a_delay_that_could_not_be_told_is_none() {
    // In the order in which they are set.
    for spared in 0..4 {
        let hedged = Hedged::on(1, &plain());
        hedged.replicas.first_takes(60);
        let fault = Fault::of("proxy_replace_header_map_value", Status::InternalFailure);
        hedged.process.fault(fault.after(spared).once());
        assert_eq!(hedged.tries(0), 1, "{spared}");
        assert_eq!(hedged.hedges("sent"), 0, "{spared}");
        assert_eq!(hedged.tries(0), 2, "{spared}");
    }
}

#[test]
fn a_header_that_could_not_be_removed_is_no_reason_to_stop() {
    let hedged = Hedged::on(1, &plain());
    hedged.fail("proxy_remove_header_map_value", Status::InternalFailure);
    hedged.ask(0, Request::get("/a").header("x-envoy-max-retries", "3"));
}
