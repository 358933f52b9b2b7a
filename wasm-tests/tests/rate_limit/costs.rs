//! What a request costs, before and after the fact.

use serde_json::{Value, json};
use weir_wasm_tests::{Fault, Request, Status};

use crate::fixture::{Limited, Verdict, by_user, rate, slot, user, with};

/// Ten at once, and one a minute, at this cost.
fn ten(cost: Value) -> Value {
    slot(&[with(by_user(rate(1, 60_000, 10)), "cost", cost)])
}

fn said(header: &str, max: u64) -> Value {
    json!({header: {"name": "x-cost", "max": max}})
}

/// A request whose response names a cost.
fn exchange(limited: &Limited, worker: usize, cost: &str) -> Verdict {
    let stream = limited.plugin.worker(worker).open(user("alice")).unwrap();
    let verdict = crate::fixture::verdict(&stream.outcome());
    if verdict == Verdict::Passed {
        let headers = [(":status", "200"), ("x-cost", cost)];
        stream
            .response_headers(headers.into_iter().collect(), true)
            .unwrap();
    }
    stream.finish().unwrap();
    verdict
}

#[test]
fn a_constant_a_match_and_a_header() {
    let limited = Limited::on(2, &ten(json!({"constant": 3})));
    assert_eq!(limited.drain(&user("alice")), 3);

    let export = json!([{"match": {"path": {"type": "Prefix", "value": "/export"}}, "cost": 5}]);
    let limited = Limited::on(2, &ten(json!({"matches": export})));
    let export = Request::get("/export/all").header("x-user", "alice");
    assert_eq!([limited.drain(&export), limited.drain(&user("bob"))], [2, 10]);

    let limited = Limited::on(2, &ten(said("requestHeader", 4)));
    let costs = |cost: &str| user(cost).header("x-cost", cost);
    let passed =
        ["2", "4", "5", "99999999999999999999999", "0x2", "-1", ""].map(|cost| limited.drain(&costs(cost)));
    assert_eq!(passed, [5, 2, 2, 2, 10, 10, 10]);
}

#[test]
fn a_response_that_cost_more_charges_the_difference_and_no_more_debt_than_the_burst() {
    let limited = Limited::on(2, &ten(said("responseHeader", 1_000)));
    assert_eq!(exchange(&limited, 0, "4"), Verdict::Passed);
    assert_eq!(exchange(&limited, 1, "6"), Verdict::Passed);
    assert_eq!(exchange(&limited, 0, "1"), Verdict::Limited);

    let limited = Limited::on(2, &ten(said("responseHeader", 1_000)));
    assert_eq!(exchange(&limited, 0, "1000"), Verdict::Passed);
    limited.advance(10 * 60_000);
    assert_eq!(
        limited.ask(1, &user("alice")),
        Verdict::Limited,
        "ten minutes pay the debt"
    );
    limited.advance(60_000);
    assert_eq!(
        limited.ask(1, &user("alice")),
        Verdict::Passed,
        "and the eleventh is a request's"
    );
}

#[test]
fn a_response_that_cost_less_gives_the_difference_back() {
    let cost = json!({"constant": 5, "responseHeader": {"name": "x-cost", "max": 10}});
    let limited = Limited::on(2, &ten(cost));
    for _ in 0..5 {
        assert_eq!(exchange(&limited, 0, "1"), Verdict::Passed);
    }
    assert_eq!(exchange(&limited, 1, "0"), Verdict::Passed);
    assert_eq!(exchange(&limited, 1, "5"), Verdict::Passed);
    assert_eq!(exchange(&limited, 0, "1"), Verdict::Limited);
}

#[test]
fn a_response_that_says_nothing_or_nonsense_leaves_the_charge() {
    for cost in ["", "-3", "many", "1.5"] {
        let limited = Limited::on(1, &ten(said("responseHeader", 10)));
        assert_eq!(exchange(&limited, 0, cost), Verdict::Passed);
        assert_eq!(limited.drain(&user("alice")), 9, "{cost:?}");
    }
}

#[test]
fn a_charge_after_the_fact_that_fails_is_counted_and_traps_nothing() {
    for function in [
        "proxy_set_shared_data",
        "proxy_get_shared_data",
        "proxy_get_header_map_value",
        "proxy_get_current_time_nanoseconds",
    ] {
        let limited = Limited::on(1, &ten(said("responseHeader", 10)));
        let stream = limited.plugin.worker(0).open(user("alice")).unwrap();
        limited
            .process
            .fault(Fault::of(function, Status::InternalFailure));
        let headers = [(":status", "200"), ("x-cost", "5")];
        stream
            .response_headers(headers.into_iter().collect(), true)
            .unwrap();
        limited.process.clear_faults();
        stream.finish().unwrap();
        assert_eq!(limited.counted("failed", "api", "user"), 1, "{function}");
        assert_eq!(limited.drain(&user("alice")), 9, "{function}");
    }
}
