//! What is stale and served all the same: while a fresh one is fetched, and where the origin fails.

use serde_json::{Value, json};
use weir_wasm_tests::{Answer, Request};

use crate::fixture::{Cached, assert_all, cache_status, is_hit, plain_with, policy, slot, text, with};
use crate::origin::{fresh, ms, tagged, versioned};

fn while_revalidate() -> Value {
    plain_with("/stale/whileRevalidateMs", json!(60_000))
}

fn if_error() -> Value {
    plain_with("/stale/ifErrorMs", json!(60_000))
}

/// `/a` is stored, and stale.
fn stale(workers: usize, configuration: &Value) -> Cached {
    let cached = Cached::on(workers, configuration);
    cached.origin.always(tagged("v1", "max-age=10"));
    cached.get(0, "/a");
    cached.advance(11_000);
    cached
}

#[test]
fn a_stale_answer_is_served_at_once_and_refreshed_once() {
    for workers in [1, 2, 4] {
        let cached = stale(workers, &while_revalidate());
        cached.origin.always(tagged("v2", "max-age=10").after(ms(100)));
        let crowd = cached.crowd(100, "/a");
        assert_all(&crowd, "v1");
        assert_eq!(cached.origin.count(), 2, "{workers} workers");
        let told = cache_status(&crowd[7].response().unwrap());
        assert!(told.starts_with("weir; hit; ttl=-1;"), "{told}");
        cached.advance(110);
        assert_all(&cached.crowd(10, "/a"), "v2");
        assert_eq!(cached.origin.count(), 2);
    }
}

#[test]
fn a_refresh_without_a_validator_fetches_the_whole() {
    let cached = Cached::on(2, &while_revalidate());
    cached.origin.always(fresh(10).body("v1"));
    cached.get(0, "/a");
    cached.advance(11_000);
    cached.origin.always(fresh(10).body("v2"));
    assert_eq!(text(&cached.get(1, "/a")), "v1");
    assert_eq!(text(&cached.get(0, "/a")), "v2");
    assert_eq!(cached.origin.count(), 2);
}

#[test]
fn a_refresh_that_fails_is_tried_again_by_the_next() {
    for failure in [
        Answer::status(500),
        Answer::reset(),
        Answer::never(),
        Answer::status(503),
    ] {
        let cached = stale(2, &while_revalidate());
        cached.origin.always(failure);
        assert_eq!(text(&cached.get(0, "/a")), "v1");
        cached.advance(3_100);
        assert_eq!(cached.origin.count(), 2);
        cached.origin.always(tagged("v2", "max-age=10"));
        assert_eq!(text(&cached.get(1, "/a")), "v1");
        assert_eq!(text(&cached.get(0, "/a")), "v2");
    }
}

#[test]
fn a_refresh_outlives_the_client_that_asked_for_it() {
    let cached = stale(1, &while_revalidate());
    cached.origin.always(tagged("v2", "max-age=10").after(ms(100)));
    let exchange = cached.send(0, Request::get("/a"));
    assert!(exchange.is_complete());
    cached.advance(110);
    assert!(is_hit(&cached.get(0, "/a")));
    assert_eq!(text(&cached.get(0, "/a")), "v2");
}

#[test]
fn what_the_origin_says_of_stale_answers_goes_before_the_policy() {
    let cached = Cached::on(1, &while_revalidate());
    cached.origin.always(tagged("v1", "max-age=10, must-revalidate"));
    cached.get(0, "/a");
    cached.advance(11_000);
    cached.origin.always(tagged("v2", "max-age=10"));
    assert_eq!(text(&cached.get(0, "/a")), "v2");
    let cached = Cached::on(1, &slot(&policy()));
    cached
        .origin
        .always(tagged("v1", "max-age=10, stale-while-revalidate=5"));
    cached.get(0, "/a");
    cached.advance(11_000);
    cached.origin.always(tagged("v2", "max-age=10"));
    assert_eq!(text(&cached.get(0, "/a")), "v1");
}

#[test]
fn where_the_origin_fails_the_stale_answer_will_do() {
    let failures = [
        (Answer::status(500), "; fwd-status=500"),
        (Answer::status(503), "; fwd-status=503"),
        (Answer::reset(), "; fwd-status=503"),
        (Answer::refused(), "; fwd-status=503"),
        (Answer::never(), "; fwd-status=504"),
    ];
    for (failure, told) in failures {
        let cached = stale(2, &if_error());
        cached.origin.always(failure.after(ms(50)));
        let crowd = cached.crowd(10, "/a");
        cached.advance(5_000);
        assert_all(&crowd, "v1");
        let status = cache_status(&crowd[0].response().unwrap());
        assert!(
            status.contains(told) && status.contains("stale-if-error"),
            "{status}"
        );
        cached.origin.always(tagged("v2", "max-age=10"));
        assert_eq!(text(&cached.get(1, "/a")), "v2");
        cached.advance(70_000);
        cached.origin.always(Answer::status(500));
        assert_eq!(cached.get(0, "/a").status, 500, "too old");
    }
}

#[test]
fn an_origin_that_says_404_has_not_failed() {
    let cached = stale(2, &if_error());
    cached.origin.always(Answer::status(404).body("gone"));
    assert_eq!(cached.get(0, "/a").status, 404);
}

#[test]
fn without_a_validator_too_an_error_is_bridged() {
    let cached = Cached::on(1, &if_error());
    cached.origin.always(fresh(10).body("v1"));
    cached.get(0, "/a");
    cached.advance(11_000);
    cached.origin.always(Answer::status(500));
    assert_eq!(text(&cached.get(0, "/a")), "v1");
}

#[test]
fn both_windows_follow_one_another() {
    let policy = with(
        policy(),
        "/stale",
        json!({"whileRevalidateMs": 5_000, "ifErrorMs": 60_000}),
    );
    let cached = stale(2, &slot(&policy));
    cached.origin.always(Answer::status(500));
    assert_eq!(text(&cached.get(0, "/a")), "v1", "while it is refreshed");
    cached.advance(10_000);
    assert_eq!(text(&cached.get(1, "/a")), "v1", "since the origin fails");
    cached.origin.answer(versioned("v1", "max-age=10"));
    assert_eq!(text(&cached.get(1, "/a")), "v1");
    assert!(is_hit(&cached.get(0, "/a")));
}
