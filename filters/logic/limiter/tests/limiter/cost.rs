//! What requests cost.

use proptest::prelude::*;
use serde_json::{Value, json};
use weir_limiter::{Pending, Until};

use crate::fixture::{NOW, Request, SECOND, Slot, rate};

const BURST: u64 = 10_000_000_000;

/// A quota that is larger than any cost.
fn costing(cost: &Value) -> Slot {
    let quota = json!({"rate": {"requests": 1_000_000, "windowMs": 1_000, "burst": BURST}});
    Slot::of(&json!({"cost": cost, "quota": quota}))
}

/// What is left of a quota in which nothing comes back.
fn left(slot: &Slot, request: &Request) -> u64 {
    let passed = slot.passed(request, NOW);
    let (_, rest) = passed.fields.as_ref().unwrap().limit.split_once(";r=").unwrap();
    rest.split_once(';').unwrap().0.parse().unwrap()
}

/// What a request costs, by what is left of a quota after it.
fn cost_of(cost: &Value, request: &Request) -> u64 {
    BURST - left(&costing(cost), request)
}

fn orders(method: &str) -> Value {
    json!({"path": {"type": "Prefix", "value": "/orders"}, "methods": [method]})
}

#[test]
fn the_header_goes_before_matches_and_those_before_the_constant() {
    let cost = json!({
        "constant": 3,
        "matches": [{"match": orders("POST"), "cost": 20}, {"match": {"path": {"type": "Prefix", "value": "/"}}, "cost": 0}],
        "requestHeader": {"name": "x-cost", "max": 100},
    });
    let post = Request::new().with(":method", "POST").with(":path", "/orders/1");
    let get = Request::new().with(":method", "GET").with(":path", "/orders/1");
    assert_eq!(cost_of(&cost, &post), 20);
    assert_eq!(cost_of(&cost, &get), 0);
    assert_eq!(cost_of(&cost, &Request::new()), 3);
    assert_eq!(cost_of(&cost, &post.clone().with("x-cost", "7")), 7);
    assert_eq!(cost_of(&cost, &post.clone().with("x-cost", "-7")), 20);
    assert_eq!(cost_of(&cost, &post.with("x-cost", "7").with("x-cost", "8")), 7);
    assert_eq!(cost_of(&json!({}), &Request::new()), 1);
}

#[test]
fn a_header_says_a_whole_number_up_to_its_most() {
    let cost = json!({"constant": 5, "requestHeader": {"name": "x-cost", "max": 100}});
    for (value, expected) in [
        ("0", 0),
        ("99", 99),
        ("100", 100),
        ("101", 100),
        (" 12\t", 12),
        ("0000000000000000000000000000007", 7),
        ("18446744073709551615", 100),
        ("18446744073709551616", 100),
        ("99999999999999999999999999999999", 100),
        ("", 5),
        (" ", 5),
        ("+1", 5),
        ("-1", 5),
        ("1.0", 5),
        ("1e2", 5),
        ("0x10", 5),
        ("1,2", 5),
        ("1 2", 5),
        ("\u{0661}", 5),
    ] {
        assert_eq!(
            cost_of(&cost, &Request::new().with("x-cost", value)),
            expected,
            "{value:?}"
        );
    }
    assert_eq!(cost_of(&cost, &Request::new().with("x-cost", b"\xff1")), 5);
}

fn charged_later() -> Slot {
    costing(&json!({"constant": 10, "responseHeader": {"name": "x-cost", "max": 50}}))
}

fn respond(slot: &Slot, pending: &Pending, value: &str, now: u64) {
    slot.limiter
        .on_response(pending, value.as_bytes(), &slot.board, &slot.world, now)
        .unwrap();
}

#[test]
fn a_response_says_what_a_request_has_cost_after_all() {
    for (value, expected) in [
        ("10", 10),
        ("0", 0),
        ("4", 4),
        ("17", 17),
        ("50", 50),
        ("999", 50),
        ("junk", 10),
        ("", 10),
    ] {
        let slot = charged_later();
        let passed = slot.passed(&Request::new(), NOW);
        let awaited: Vec<_> = slot.limiter.awaited(&passed.pending).collect();
        let [("x-cost", pending)] = awaited[..] else {
            panic!("{awaited:?}")
        };
        assert_eq!((pending.until, pending.charged), (Until::Response, 10));
        respond(&slot, pending, value, NOW);
        // One more request costs ten first.
        assert_eq!(BURST - left(&slot, &Request::new()), expected + 10, "{value}");
    }
}

#[test]
fn an_answer_that_says_what_was_charged_writes_nothing() {
    for (value, calls) in [("10", 1), ("junk", 0), ("11", 2)] {
        let slot = charged_later();
        let pending = slot.passed(&Request::new(), NOW).pending;
        let before = slot.world.calls();
        respond(&slot, &pending[0], value, NOW);
        assert_eq!(slot.world.calls() - before, calls, "{value}");
    }
}

#[test]
fn a_response_may_lead_into_debt_but_no_further_than_a_burst() {
    let slot = Slot::of(&json!({
        "quota": rate(10, 10_000),
        "cost": {"responseHeader": {"name": "x-cost", "max": 1_000_000}},
    }));
    let pending = slot.passed(&Request::new(), NOW).pending;
    respond(&slot, &pending[0], "1000000", NOW);
    // Ten seconds for the debt, one for the next.
    assert!(!slot.passes(&Request::new(), NOW + 10 * SECOND));
    assert!(slot.passes(&Request::new(), NOW + 11 * SECOND));
}

#[test]
fn what_a_response_says_is_charged_to_the_plan() {
    let slot = Slot::of(&json!({
        "quota": rate(1, 1_000_000),
        "plans": {"from": {"header": "x-plan"}, "quotas": {"gold": rate(100, 1_000)}},
        "cost": {"responseHeader": {"name": "x-cost", "max": 99}},
    }));
    let gold = Request::new().with("x-plan", "gold");
    let left = |now| {
        let fields = slot.passed(&gold, now).fields.unwrap();
        let (_, rest) = fields.limit.split_once(";r=").unwrap();
        rest.split_once(';').unwrap().0.parse::<u64>().unwrap()
    };
    let pending = slot.passed(&gold, NOW).pending;
    respond(&slot, &pending[0], "50", NOW);
    assert_eq!(left(NOW), 49);
    let pending = slot.passed(&gold, NOW).pending;
    respond(&slot, &pending[0], "0", NOW);
    assert_eq!(left(NOW), 48);
}

#[test]
fn a_late_answer_gives_back_no_charge_of_others() {
    let quota = json!({"slidingWindow": {"requests": 10, "windowMs": 1_000}});
    let cost = json!({"constant": 10, "responseHeader": {"name": "x-cost", "max": 10}});
    for (seconds, more) in [(0, true), (1, true), (3, false)] {
        let slot = Slot::of(&json!({"quota": quota, "cost": cost}));
        let slow = slot.passed(&Request::new(), NOW).pending;
        let now = NOW + seconds * SECOND;
        if seconds > 1 {
            assert!(slot.passes(&Request::new(), now));
        }
        assert!(!slot.passes(&Request::new(), now));
        respond(&slot, &slow[0], "0", now);
        assert_eq!(slot.passes(&Request::new(), now), more, "after {seconds} s");
    }
}

#[test]
fn what_was_charged_and_forgotten_is_not_given_back() {
    let slot = charged_later();
    let pending = slot.passed(&Request::new(), NOW).pending;
    slot.world.put(0, &[]);
    respond(&slot, &pending[0], "0", NOW);
    assert_eq!(BURST - left(&slot, &Request::new()), 10);
}

proptest! {
    #[test]
    fn all_that_is_charged_is_what_responses_said(
        costs in proptest::collection::vec((0_u64..60, any::<bool>()), 1..20),
    ) {
        let slot = charged_later();
        let mut open = Vec::new();
        let mut expected = 0;
        for (cost, at_once) in costs {
            let pending = slot.passed(&Request::new(), NOW).pending[0];
            expected += cost.min(50);
            if at_once {
                respond(&slot, &pending, &cost.to_string(), NOW);
            } else {
                open.push((pending, cost));
            }
        }
        for (pending, cost) in open {
            respond(&slot, &pending, &cost.to_string(), NOW);
        }
        prop_assert_eq!(BURST - left(&slot, &Request::new()), expected + 10);
    }
}
