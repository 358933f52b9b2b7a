//! What is stale, and has a validator: the origin is asked by the filter's own call while the client waits.

use serde_json::json;
use weir_wasm_tests::{Answer, Cluster, Request};

use crate::fixture::{
    Cached, ORIGIN, assert_all, cache_status, is_hit, next, plain, policy, slot, text, with,
};
use crate::origin::{fresh, ms, tagged, versioned};

/// `/a` is stored, has a validator and is stale.
fn stale(workers: usize) -> Cached {
    stale_under(workers, &plain())
}

fn stale_under(workers: usize, configuration: &serde_json::Value) -> Cached {
    let cached = Cached::on(workers, configuration);
    cached.origin.always(tagged("v1", "max-age=10"));
    cached.get(0, "/a");
    cached.advance(11_000);
    cached
}

#[test]
fn an_origin_that_confirms_sends_nothing_twice() {
    let cached = stale(2);
    cached.origin.answer(versioned("v1", "max-age=10"));
    let answer = cached.ask(1, Request::get("/a").header("x-client", "1"));
    assert_eq!((answer.status, text(&answer)), (200, "v1"));
    assert_eq!(
        cache_status(&answer),
        "weir; fwd=stale; fwd-status=304; ttl=10; key=\"v1\"; detail=\"shared\""
    );
    let call = cached.origin.last();
    assert_eq!(call.headers.text("if-none-match").as_deref(), Some("\"v1\""));
    assert_eq!(call.headers.text("x-client").as_deref(), Some("1"));
    assert_eq!(call.headers.text(":authority").as_deref(), Some("service.test"));
    for worker in [0, 1] {
        assert!(is_hit(&cached.get(worker, "/a")));
    }
    assert_eq!(cached.origin.count(), 2);
    assert_eq!(cached.counted("validations", "confirmed"), 1);
}

#[test]
fn another_answer_takes_the_place_of_the_former() {
    let cached = stale(2);
    cached.origin.always(tagged("v2", "max-age=10"));
    let answer = cached.get(1, "/a");
    assert_eq!((answer.status, text(&answer)), (200, "v2"));
    assert!(
        cache_status(&answer).starts_with("weir; fwd=stale; fwd-status=200;"),
        "{}",
        cache_status(&answer)
    );
    assert_eq!(text(&cached.get(0, "/a")), "v2");
    assert_eq!(cached.origin.count(), 2);
    assert_eq!(cached.counted("validations", "replaced"), 1);
}

#[test]
fn a_hundred_requests_ask_once() {
    for workers in [1, 2, 4] {
        let cached = stale(workers);
        cached
            .origin
            .answer(move |request| versioned("v1", "max-age=10")(request).after(ms(100)));
        let crowd = cached.crowd(100, "/a");
        cached.advance(110);
        assert_all(&crowd, "v1");
        assert_eq!(cached.origin.count(), 2, "{workers}");
    }
}

#[test]
fn the_clients_own_conditions_and_ranges_hold_for_what_is_validated() {
    for confirms in [true, false] {
        let condition = |name: &str, value: &str| {
            let cached = stale(1);
            if confirms {
                cached.origin.answer(versioned("v1", "max-age=10"));
            } else {
                cached.origin.always(tagged("v2", "max-age=10"));
            }
            let answer = cached.ask(0, Request::get("/a").header(name, value));
            assert_eq!(cached.origin.last().headers.text("range"), None);
            assert_eq!(cached.origin.count(), 2);
            (answer.status, text(&answer).to_owned())
        };
        let seen = [
            condition("if-none-match", "\"v1\""),
            condition("if-none-match", "\"v2\""),
            condition("range", "bytes=0-0"),
        ];
        let part = (206, "v".to_owned());
        let expected = if confirms {
            [(304, String::new()), (200, "v1".to_owned()), part]
        } else {
            // What the origin sends in full is passed on in full.
            [
                (200, "v2".to_owned()),
                (200, "v2".to_owned()),
                (200, "v2".to_owned()),
            ]
        };
        assert_eq!(seen, expected, "confirms: {confirms}");
    }
}

/// RFC 9111 section 4.3.5: the origin's head is that of what is stored, by a 304 or by its fields.
#[test]
fn the_head_of_what_is_stored_makes_it_fresh() {
    for confirmed in [
        Answer::status(304).header("cache-control", "max-age=10"),
        tagged("v1", "max-age=10").header("x-new", "1"),
    ] {
        let cached = stale(2);
        cached.origin.always(confirmed);
        let answer = cached.ask(0, Request::new("HEAD", "/a"));
        assert_eq!((answer.status, answer.body.len()), (200, 0));
        let call = cached.origin.last();
        assert_eq!(call.headers.text(":method").as_deref(), Some("HEAD"));
        assert_eq!(call.headers.text("if-none-match").as_deref(), Some("\"v1\""));
        let hit = cached.get(1, "/a");
        assert!(is_hit(&hit));
        assert_eq!(text(&hit), "v1");
        assert_eq!(hit.headers.text("x-new"), answer.headers.text("x-new"));
        assert_eq!(cached.counted("validations", "confirmed"), 1);
    }
}

#[test]
fn the_head_of_something_else_makes_what_is_stored_go() {
    for (status, changed) in [
        (200, tagged("v2", "max-age=10")),
        (200, tagged("v1", "max-age=10").header("content-length", "3")),
        (200, tagged("v1", "no-store")),
        (404, Answer::status(404)),
    ] {
        let cached = stale(2);
        cached.origin.always(changed.body(""));
        let answer = cached.ask(0, Request::new("HEAD", "/a"));
        assert_eq!((answer.status, answer.body.len()), (status, 0));
        assert!(!is_hit(&answer));
        cached.origin.always(tagged("v3", "max-age=10"));
        assert_eq!(text(&cached.get(1, "/a")), "v3");
        assert_eq!(cached.origin.last().headers.text("if-none-match"), None);
        assert!(is_hit(&cached.get(0, "/a")));
    }
}

#[test]
fn where_the_origin_fails_for_head_what_is_stored_stays() {
    let cached = stale(1);
    cached.origin.always(Answer::status(500));
    assert_eq!(cached.ask(0, Request::new("HEAD", "/a")).status, 500);
    cached.origin.answer(versioned("v1", "max-age=10"));
    assert_eq!(text(&cached.get(0, "/a")), "v1");
    assert_eq!(cached.counted("validations", "confirmed"), 1);
}

#[test]
fn a_failure_of_the_origin_is_passed_on_and_what_is_stored_stays() {
    for status in [500, 502] {
        let cached = stale(2);
        cached.origin.always(Answer::status(status).body("failed"));
        let answer = cached.get(1, "/a");
        assert_eq!((answer.status, text(&answer)), (status, "failed"));
        cached.origin.answer(versioned("v1", "max-age=10"));
        assert_eq!(text(&cached.get(0, "/a")), "v1");
        assert_eq!(
            cached.origin.last().headers.text("if-none-match").as_deref(),
            Some("\"v1\""),
            "{status}: it is still stored"
        );
    }
}

#[test]
fn where_nobody_answers_the_call_the_request_goes_on() {
    for answer in [
        Answer::never(),
        Answer::reset(),
        Answer::refused(),
        Answer::closed(),
        Answer::status(503),
    ] {
        let cached = stale(2);
        let first = std::sync::atomic::AtomicBool::new(true);
        let call = answer.clone();
        cached.origin.answer(move |_| {
            let first = first.swap(false, std::sync::atomic::Ordering::Relaxed);
            if first {
                call.clone()
            } else {
                fresh(60).body("later")
            }
        });
        let crowd = cached.crowd(10, "/a");
        cached.advance(3_100);
        assert_all(&crowd, "later");
        assert_eq!(cached.counted("validations", "failed"), 1, "{answer:?}");
    }
}

#[test]
fn an_answer_in_parts_that_ends_early_is_no_answer() {
    let cached = stale(1);
    let first = std::sync::atomic::AtomicBool::new(true);
    cached.origin.answer(move |_| {
        let first = first.swap(false, std::sync::atomic::Ordering::Relaxed);
        if first {
            fresh(60).body("half").then_reset()
        } else {
            fresh(60).body("whole")
        }
    });
    assert_eq!(text(&cached.get(0, "/a")), "whole");
}

#[test]
fn an_answer_that_is_longer_than_the_limit_still_reaches_the_client() {
    let cached = stale(2);
    cached.origin.always(fresh(60).body(vec![b'x'; 70_000]));
    for worker in [1, 0] {
        let answer = cached.get(worker, "/a");
        assert_eq!((answer.status, answer.body.len()), (200, 70_000));
    }
}

#[test]
fn without_the_cluster_the_request_goes_on() {
    let cached = stale(1);
    // The route's cluster is there for the router, and the named one is not there for the call.
    let answer = cached.ask(0, Request::get("/a").header("x-weir-cluster", "nowhere"));
    assert_eq!((answer.status, text(&answer)), (200, "v1"));
    assert_eq!(cached.origin.count(), 2);
    assert!(cached.process.calls().is_empty());
}

#[test]
fn a_cluster_without_hosts_is_no_dead_end() {
    let cached = stale(1);
    cached.process.cluster(ORIGIN, Cluster::empty());
    let answer = cached.get(0, "/a");
    assert_eq!(answer.status, 503);
    cached.process.cluster(ORIGIN, cached.origin.cluster());
    cached.origin.answer(versioned("v1", "max-age=10"));
    assert_eq!(text(&cached.get(0, "/a")), "v1");
    assert_eq!(
        cached.origin.last().headers.text("if-none-match").as_deref(),
        Some("\"v1\"")
    );
}

#[test]
fn before_the_first_tick_the_clients_request_asks() {
    let cached = Cached::cold(1, &plain());
    cached.origin.always(tagged("v1", "max-age=0"));
    cached.get(0, "/a");
    cached.origin.always(tagged("v2", "max-age=10"));
    let answer = cached.get(0, "/a");
    assert_eq!(text(&answer), "v2");
    assert!(cached.process.calls().is_empty());
    assert!(is_hit(&cached.get(0, "/a")));
}

#[test]
fn a_client_that_asks_by_itself_does_not_lose_what_is_stored() {
    // HEAD, or a condition of the client's own, whose answer can't be stored.
    let requests = [
        Request::new("HEAD", "/a"),
        Request::get("/a").header("if-none-match", "\"v1\""),
    ];
    for request in requests {
        let cached = Cached::cold(1, &plain());
        cached.origin.always(tagged("v1", "max-age=0"));
        cached.get(0, "/a");
        cached.origin.answer(versioned("v1", "max-age=10"));
        cached.ask(0, request.clone());
        assert!(cached.process.calls().is_empty());
        cached.advance(20);
        assert_eq!(text(&cached.get(0, "/a")), "v1");
        let last = cached.origin.last();
        assert_eq!(
            last.headers.text("if-none-match").as_deref(),
            Some("\"v1\""),
            "{request:?}"
        );
    }
}

#[test]
fn a_header_that_no_call_can_carry_does_not_keep_the_origin_from_being_asked() {
    let stale_if_error = slot(&with(policy(), "/stale/ifErrorMs", json!(60_000)));
    for configuration in [plain(), stale_if_error] {
        let cached = stale_under(1, &configuration);
        cached.origin.always(tagged("v2", "max-age=10"));
        let answer = cached.ask(0, Request::get("/a").header("x-name", b"caf\xe9"));
        assert_eq!(text(&answer), "v2");
        assert!(is_hit(&cached.get(0, "/a")));
    }
}

#[test]
fn a_client_that_goes_away_meanwhile_leaves_the_call_to_the_others() {
    for confirms in [true, false] {
        let cached = stale(2);
        cached.origin.answer(move |request| {
            let answer = if confirms {
                versioned("v1", "max-age=10")(request)
            } else {
                tagged("v2", "max-age=10")
            };
            answer.after(ms(100))
        });
        let crowd = cached.crowd(10, "/a");
        crowd[0].abort();
        cached.advance(110);
        assert_all(&crowd[1..], if confirms { "v1" } else { "v2" });
        assert_eq!(cached.origin.count(), 2);
        assert!(is_hit(&cached.get(1, "/a")));
        assert!(cached.process.traps().is_empty());
    }
}

#[test]
fn a_new_configuration_leaves_nobody_hanging() {
    for (answer_after, change_after) in [(100, 50), (100, 0), (0, 0), (3_000, 50)] {
        for workers in [1, 2] {
            let cached = stale(workers);
            cached
                .origin
                .answer(move |request| versioned("v1", "max-age=10")(request).after(ms(answer_after)));
            let before = cached.crowd(10, "/a");
            cached.advance(change_after);
            cached.configure(&next(plain()));
            let after = cached.crowd(10, "/a");
            cached.advance(12_000);
            assert_all(&before, "v1");
            assert_all(&after, "v1");
            assert!(cached.process.traps().is_empty());
        }
    }
}

#[test]
fn right_after_a_new_configuration_calls_are_made_and_others_are_told() {
    let cached = stale(2);
    cached
        .origin
        .answer(move |request| versioned("v1", "max-age=10")(request).after(ms(100)));
    cached.configure(&next(plain()));
    for wait in [0, 5, 20] {
        cached.advance(wait);
        let crowd = cached.crowd(10, "/a");
        cached.advance(210);
        assert_all(&crowd, "v1");
        cached.advance(11_000);
        cached.configure(&with(next(plain()), "/generation", json!(10 + wait)));
    }
}
