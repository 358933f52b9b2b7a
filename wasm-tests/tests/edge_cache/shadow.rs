//! A policy that only watches, and a slot without one.

use serde_json::{Value, json};
use weir_wasm_tests::{Answer, Request};

use crate::fixture::{Cached, SLOT, cache_status, plain_with, policy, slot, text, with};
use crate::origin::{fresh, ms, path, tagged};

fn watching() -> Value {
    plain_with("/shadow", json!(true))
}

#[test]
fn a_shadow_changes_nothing_for_clients() {
    let cached = Cached::on(2, &watching());
    cached.origin.answer(|request| {
        fresh(60)
            .header("surrogate-key", "a")
            .header("age", "3")
            .body(path(request))
            .after(ms(50))
    });
    let crowd = cached.crowd(20, "/a");
    assert_eq!(cached.origin.count(), 20, "nobody waits");
    cached.advance(60);
    for (number, exchange) in crowd.iter().enumerate() {
        let answer = exchange.response().unwrap();
        assert_eq!(
            (text(&answer), cache_status(&answer)),
            ("/a", String::new()),
            "{number}"
        );
        assert_eq!(answer.headers.text("surrogate-key").as_deref(), Some("a"));
        assert_eq!(answer.headers.text("age").as_deref(), Some("3"));
    }
    for worker in [0, 1] {
        assert_eq!(cache_status(&cached.get(worker, "/a")), "");
    }
    assert_eq!(cached.origin.count(), 22);
    let only = cached.ask(0, Request::get("/b").header("cache-control", "only-if-cached"));
    assert_eq!(only.status, 200);
    assert_eq!(
        cached.counted("requests", "hit-shared") + cached.counted("requests", "hit-memory"),
        2
    );
}

#[test]
fn a_shadow_asks_the_origin_nothing_of_its_own() {
    let stale = with(
        with(policy(), "/shadow", json!(true)),
        "/stale/whileRevalidateMs",
        json!(60_000),
    );
    for configuration in [watching(), slot(&stale)] {
        let cached = Cached::on(2, &configuration);
        cached.origin.always(tagged("v1", "max-age=1"));
        cached.get(0, "/a");
        cached.advance(2_000);
        for worker in [0, 1, 1] {
            cached.get(worker, "/a");
        }
        assert!(cached.process.calls().is_empty());
        assert_eq!(cached.origin.count(), 4);
    }
}

#[test]
fn a_slot_without_policies_costs_no_host_call() {
    let empty = json!({"format": 1, "slot": SLOT, "generation": 1, "rules": [], "policies": {}});
    let cached = Cached::on(1, &empty);
    cached.get(0, "/a");
    cached.process.forget_costs();
    cached.get(0, "/a");
    let costs = cached.process.costs("edge-cache");
    for (callback, cost) in &costs {
        assert!(cost.host_calls.is_empty(), "{callback}: {cost:?}");
    }
    assert_eq!(costs["proxy_on_request_headers"].calls, 1);
}

#[test]
fn a_request_that_no_rule_is_for_passes() {
    let mut configuration = slot(&policy());
    configuration["rules"][0]["match"] = json!({"path": {"type": "Prefix", "value": "/elsewhere"}});
    let cached = Cached::on(1, &configuration);
    for _ in 0..2 {
        assert_eq!(cache_status(&cached.get(0, "/a")), "");
    }
    cached.origin.always(Answer::status(500));
    assert_eq!(cached.get(0, "/a").status, 500);
}
