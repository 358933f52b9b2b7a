//! Configurations come and go; what is known stays.

use serde_json::{Value, json};
use weir_wasm_tests::{Request, Status};

use crate::fixture::{
    Hedged, SLOT, assert_whole, hedged_after, next, plain, plain_with, policy, slot, with, without,
};

/// The delay is what is usual, of which nothing is known at first.
fn usual() -> Value {
    let policy = with(policy(), "/minDelayMs", 1.into());
    slot(&without(
        with(policy, "/maxDelayMs", 10_000.into()),
        "coldStartDelayMs",
    ))
}

/// In which nothing is hedged.
fn off() -> Value {
    json!({"format": 1, "slot": SLOT, "generation": 1, "rules": [], "policies": {}})
}

fn change(document: &Value, pointer: &str, value: Value) -> Value {
    with(
        document.clone(),
        &format!("/policies/default~1reads{pointer}"),
        value,
    )
}

/// After some seconds of answers that take 40 ms, with the delay that follows.
fn knowing(workers: usize) -> (Hedged, u64) {
    let hedged = Hedged::on(workers, &usual());
    hedged.replicas.all_take(40);
    hedged.stream(600, 20);
    let delay = hedged.delay();
    assert!((40..=42).contains(&delay), "{delay}");
    (hedged, delay)
}

#[test]
fn what_is_known_outlives_modes() {
    let (hedged, delay) = knowing(2);
    let shadow = change(&usual(), "/shadow", true.into());
    for (generation, configuration) in [(2, shadow), (3, off()), (4, usual())] {
        hedged.configure(&next(&configuration, generation));
        hedged.advance(3_000);
    }
    hedged.replicas.first_takes(500);
    for worker in [0, 1] {
        assert_eq!(
            hedged_after(&hedged.ask(worker, Request::get("/a"))),
            Some(delay),
            "{worker}"
        );
    }
}

#[test]
fn a_mode_is_in_force_with_the_next_request() {
    let hedged = Hedged::on(2, &plain());
    hedged.replicas.first_takes(100);
    assert_eq!(hedged.tries(1), 2);
    for (generation, configuration, expected) in [
        (2, plain_with("/shadow", true.into()), 1),
        (3, plain(), 2),
        (4, off(), 1),
        (5, plain(), 2),
    ] {
        hedged.configure(&next(&configuration, generation));
        assert_eq!(hedged.tries(1), expected, "{generation}");
    }
}

#[test]
fn bounds_are_in_force_with_the_next_request_while_others_are_under_way() {
    let (hedged, delay) = knowing(2);
    hedged.replicas.first_takes(5_000);
    let open: Vec<_> = (0..2)
        .map(|worker| hedged.send(worker, Request::get("/open")))
        .collect();
    let bounds = |least: u64, most: u64| {
        let least = change(&usual(), "/minDelayMs", least.into());
        change(&least, "/maxDelayMs", most.into())
    };
    let cases = [(60, 100, 60), (1, 10, 10), (1, 10_000, delay)];
    for (generation, (least, most, expected)) in (2..).zip(cases) {
        hedged.configure(&next(&bounds(least, most), generation));
        for worker in [0, 1] {
            let exchange = hedged.ask(worker, Request::get("/a"));
            assert_eq!(
                hedged_after(&exchange),
                Some(expected),
                "{least} to {most}, {worker}"
            );
        }
    }
    hedged.advance(10_000);
    open.iter().for_each(assert_whole);
}

#[test]
fn an_earlier_configuration_that_comes_again_has_its_own_bounds() {
    let hedged = Hedged::on(1, &plain());
    hedged.replicas.first_takes(5_000);
    let open = hedged.send(0, Request::get("/open"));
    let other = plain_with("/coldStartDelayMs", 60.into());
    let other = change(&other, "/maxDelayMs", 60.into());
    for (configuration, expected) in [(&other, 60), (&plain(), 20), (&other, 60), (&plain(), 20)] {
        hedged.configure(configuration);
        assert_eq!(hedged_after(&hedged.ask(0, Request::get("/a"))), Some(expected));
    }
    hedged.advance(10_000);
    assert_whole(&open);
}

#[test]
fn another_quantile_begins_anew() {
    let (hedged, _) = knowing(1);
    hedged.configure(&next(&change(&usual(), "/quantilePpm", 500_000.into()), 2));
    hedged.replicas.first_takes(500);
    assert_eq!(hedged.tries(0), 1);
}

#[test]
fn a_request_under_way_ends_under_its_own_configuration() {
    let hedged = Hedged::on(1, &plain());
    hedged.replicas.first_takes(100);
    let exchange = hedged.send(0, Request::get("/a"));
    hedged.configure(&next(&off(), 2));
    hedged.advance(1_000);
    assert_whole(&exchange);
    assert_eq!(exchange.upstream_requests().len(), 2);
    assert_eq!(hedged.hedges("sent"), 1);
}

#[test]
fn a_change_of_the_budget_gives_no_burst() {
    let budget = |min: u64| plain_with("/budget", json!({"ppm": 0, "minPerSecond": min}));
    let hedged = Hedged::cold(2, &budget(2));
    hedged.replicas.all_take(300);
    let mut exchanges = hedged.stream(500, 10);
    for generation in 2..12 {
        hedged.configure(&next(&budget(1 + generation % 2), generation));
        exchanges.extend(hedged.stream(200, 10));
    }
    hedged.advance(1_000);
    // Two budgets, whose times add up to no more than the larger over all of it.
    let over = crate::budget::Times::of(&exchanges).over(0, 3, 0);
    assert!(over <= 0, "{over}");
}

#[test]
fn a_broken_configuration_is_refused_and_changes_nothing() {
    let hedged = Hedged::on(1, &plain());
    hedged.replicas.first_takes(100);
    for (pointer, value) in [
        ("/quantilePpm", json!(0)),
        ("/quantilePpm", json!(1_000_000)),
        ("/minDelayMs", json!(0)),
        ("/minDelayMs", json!(21)),
        ("/maxDelayMs", json!(19)),
        ("/coldStartDelayMs", json!(21)),
        ("/budget/ppm", json!(1_000_001)),
        ("/budget/minPerSecond", json!(-1)),
        ("/overload/errorPpm", json!(1_000_001)),
        ("/overload/latencyFactorPpm", json!(1_000_000)),
        ("/maxRetries", json!(0)),
        ("/unknown", json!(1)),
        ("/clusters", json!("orders-read")),
    ] {
        let broken = with(policy(), pointer, value.clone());
        let refused = hedged.plugin.configure(slot(&broken).to_string());
        assert!(refused.is_err(), "{pointer} {value}");
        assert_eq!(hedged.tries(0), 2, "{pointer} {value}");
    }
}

/// Nothing else is known of a policy that is gone: whoever reads the gauge must not take the last delay for the present one.
#[test]
fn a_delay_that_is_not_in_force_is_shown_as_none() {
    let elsewhere = change(&usual(), "/clusters", json!(["others-read"]));
    for gone in [off(), elsewhere] {
        let (hedged, delay) = knowing(2);
        // An exchange under the former configuration keeps it alive.
        hedged.replicas.first_takes(60_000);
        let open = hedged.send(0, Request::new("POST", "/a"));
        hedged.configure(&next(&gone, 2));
        assert_eq!(hedged.delay(), 0);
        hedged.configure(&next(&usual(), 3));
        hedged.replicas.all_take(40);
        hedged.stream(4, 20);
        assert_eq!(hedged.delay(), delay);
        open.abort();
    }
}

#[test]
fn a_delay_is_shown_on_while_a_policy_changes_and_nobody_asks() {
    let (hedged, delay) = knowing(2);
    hedged.configure(&next(&change(&usual(), "/maxRequestBodyBytes", 5.into()), 2));
    assert_eq!(hedged.delay(), delay);
    hedged.advance(10_000);
    assert_eq!(hedged.delay(), delay);
}

#[test]
fn a_delay_that_could_not_be_shown_as_none_is_tried_again() {
    let (hedged, _) = knowing(1);
    hedged.configure(&next(&off(), 2));
    hedged.fail("proxy_record_metric", Status::InternalFailure);
    hedged.advance(3_000);
    hedged.process.clear_faults();
    assert_eq!(hedged.delay(), 0);
}
