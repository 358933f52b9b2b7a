//! A policy that only watches.

use serde_json::Value;
use weir_wasm_tests::Request;

use crate::fixture::{DELAY_MS, Hedged, SLOT, plain, plain_with};

fn watching() -> Value {
    plain_with("/shadow", true.into())
}

#[test]
fn a_shadow_changes_nothing_and_counts_what_would_be() {
    let hedged = Hedged::on(2, &watching());
    for (takes, expected) in [(100, 1), (DELAY_MS - 2, 0)] {
        let before = hedged.hedges("sent");
        hedged.replicas.first_takes(takes);
        let exchange = hedged.ask(0, Request::get("/a"));
        let tries = exchange.upstream_requests();
        assert_eq!(tries.len(), 1);
        let added: Vec<&str> = tries[0].headers.iter().map(|(name, _)| name).collect();
        assert_eq!(
            added,
            [
                ":method",
                ":scheme",
                ":authority",
                ":path",
                "x-envoy-expected-rq-timeout-ms"
            ]
        );
        assert_eq!(hedged.hedges("sent") - before, expected, "{takes}");
    }
    assert_eq!(hedged.decisions(), 10);
}

#[test]
fn a_shadow_spends_the_budget_as_hedges_would() {
    let hedged = Hedged::on(1, &watching());
    hedged.replicas.all_take(300);
    let before = hedged.hedges("sent");
    hedged.stream(3_000, 10);
    let would = hedged.hedges("sent") - before;
    assert!((100..=360).contains(&would), "{would}");
    assert_eq!(hedged.replicas.second_tries(), 0);
}

#[test]
fn a_shadow_counts_how_long_requests_take_with_and_without() {
    let hedged = Hedged::on(1, &watching());
    hedged.replicas.all_take(10);
    hedged.stream(1_200, 10);
    hedged.replicas.all_take(100);
    hedged.tries(0);
    let latency = |hedging: &str, ms: &str| {
        hedged.counted(&format!(
            "latency_total.filter.request-hedge.hedging.{hedging}.ms.{ms}"
        ))
    };
    assert_eq!((latency("without", "128"), latency("with", "128")), (1, 0));
    // 20 ms, and 10 of a second try.
    assert_eq!(latency("with", "32"), 1);
    let saved = hedged.counted("shadow_saved_ms_total.filter.request-hedge");
    assert!((69..=71).contains(&saved), "{saved}");
    assert_eq!(latency("without", "16") + latency("without", "8"), 1_204);
}

#[test]
fn a_slot_without_policies_costs_no_host_call() {
    let empty = serde_json::json!({"format": 1, "slot": SLOT, "generation": 1, "rules": [], "policies": {}});
    let hedged = Hedged::on(1, &empty);
    hedged.process.forget_costs();
    hedged.ask(0, Request::get("/a"));
    let costs = hedged.process.costs("request-hedge");
    for (callback, cost) in &costs {
        assert!(cost.host_calls.is_empty(), "{callback}: {cost:?}");
    }
    assert_eq!(costs["proxy_on_request_headers"].calls, 1);
}

#[test]
fn what_is_enforced_has_no_histogram() {
    let hedged = Hedged::on(1, &plain());
    hedged.tries(0);
    assert_eq!(
        hedged.counted("latency_total.filter.request-hedge.hedging.with.ms.8"),
        0
    );
}
