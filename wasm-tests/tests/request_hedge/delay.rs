//! The delay: what is usual, within the policy's bounds.

use serde_json::{Value, json};
use weir_wasm_tests::Request;

use crate::fixture::{Hedged, assert_whole, hedged_after, plain_with, policy, slot, with, without};
use crate::replicas::{ms, whole};

/// The delay is the usual 98 % quantile, from 1 ms to 10 s; none while it is not known.
fn usual() -> Value {
    let policy = with(policy(), "/minDelayMs", 1.into());
    slot(&without(
        with(policy, "/maxDelayMs", 10_000.into()),
        "coldStartDelayMs",
    ))
}

/// Answers take 10 to 109 ms, each as often as any other.
fn spread(hedged: &Hedged) {
    hedged
        .replicas
        .answer(|request| whole(request).after(ms(10 + request.number * 37 % 100)));
}

/// What a request is told, through this filter alone.
fn told(hedged: &Hedged) -> Option<u64> {
    let request = Request::get("/a").header("x-weir-cluster", "orders-read");
    let headers = hedged.plugin.worker(0).request(request).unwrap().headers;
    headers
        .text("x-envoy-upstream-rq-per-try-timeout-ms")
        .map(|delay| delay.parse().unwrap())
}

#[test]
fn a_cold_route_waits() {
    let hedged = Hedged::on(1, &usual());
    hedged.replicas.first_takes(5_000);
    assert_eq!(hedged.tries(0), 1);
    assert_eq!(hedged.decided("armed"), 0);
    assert_eq!(hedged.decided("cold"), 5);
    assert_eq!(hedged.delay(), 0);
}

#[test]
fn a_cold_route_may_have_a_delay_of_its_own() {
    let policy = with(policy(), "/maxDelayMs", 60.into());
    let hedged = Hedged::on(1, &slot(&with(policy, "/coldStartDelayMs", 47.into())));
    hedged.replicas.first_takes(5_000);
    assert_eq!(hedged.delay(), 47);
    let exchange = hedged.ask(0, Request::get("/a"));
    assert_eq!(hedged_after(&exchange), Some(47));
}

#[test]
fn is_what_all_but_a_few_take() {
    for workers in [1, 3] {
        let hedged = Hedged::on(workers, &usual());
        spread(&hedged);
        let exchanges = hedged.stream(600, 20);
        hedged.advance(500);
        exchanges.iter().for_each(assert_whole);
        // 98 % take no longer than 107 ms; a bucket is 1.6 % wide.
        let delay = hedged.delay();
        assert!((104..=111).contains(&delay), "{workers}: {delay}");
        hedged.replicas.first_takes(1_000);
        for worker in 0..workers {
            assert_eq!(hedged_after(&hedged.ask(worker, Request::get("/a"))), Some(delay));
        }
    }
}

#[test]
fn hedges_do_not_shorten_it() {
    let generous = with(usual(), "/policies/default~1reads/budget/ppm", 1_000_000.into());
    let hedged = Hedged::on(
        1,
        &with(generous, "/policies/default~1reads/quantilePpm", 800_000.into()),
    );
    spread(&hedged);
    hedged.stream(600, 20);
    let before = hedged.delay();
    assert!((86..=92).contains(&before), "{before}");
    hedged.stream(3_000, 20);
    assert!(hedged.hedges("sent") > 400);
    let after = hedged.delay();
    assert!(after.abs_diff(before) <= 4, "{before}, then {after}");
}

#[test]
fn stays_within_its_bounds() {
    for (least, most, expected) in [(1, 60, 60), (200, 500, 200), (107, 107, 107)] {
        let policy = with(policy(), "/minDelayMs", least.into());
        let policy = without(with(policy, "/maxDelayMs", most.into()), "coldStartDelayMs");
        let hedged = Hedged::on(1, &slot(&policy));
        spread(&hedged);
        hedged.stream(600, 20);
        assert_eq!(hedged.delay(), expected);
    }
}

#[test]
fn one_that_is_not_shorter_than_the_timeout_is_none() {
    for (timeouts, expected) in [
        (json!({"orders": 19}), None),
        (json!({"orders": 20}), None),
        (json!({"orders": 21}), Some(20)),
        (json!({"orders": 1_000, "users": 20}), None),
        (json!({}), Some(20)),
    ] {
        let hedged = Hedged::on(1, &plain_with("/routeTimeoutsMs", timeouts.clone()));
        assert_eq!(told(&hedged), expected, "{timeouts}");
        if expected.is_none() {
            assert_eq!(
                (hedged.decided("timeout"), hedged.decided("armed")),
                (5, 0),
                "{timeouts}"
            );
        }
    }
}

#[test]
fn one_slow_replica_of_four_does_not_lengthen_it() {
    let hedged = Hedged::on(1, &usual());
    hedged.replicas.all_take(10);
    hedged.stream(1_500, 20);
    let before = hedged.delay();
    hedged
        .replicas
        .answer(|request| whole(request).after(ms(if request.host == "two" { 400 } else { 10 })));
    hedged.stream(1_000, 20);
    assert_eq!(hedged.delay(), before);
    assert!(hedged.hedges("sent") > 50);
}
