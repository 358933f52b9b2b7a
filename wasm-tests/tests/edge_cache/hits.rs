//! What is stored answers, on whichever worker.

use serde_json::json;
use weir_wasm_tests::{Answer, Request, Response};

use crate::fixture::{Cached, cache_status, is_hit, plain, plain_with, text};
use crate::origin::{fresh, path, tagged};

#[test]
fn an_answer_is_stored_and_served_on_every_worker() {
    let cached = Cached::on(3, &plain());
    let miss = cached.get(0, "/a");
    assert_eq!(text(&miss), "/a");
    assert_eq!(
        cache_status(&miss),
        "weir; fwd=uri-miss; ttl=60; stored; key=\"v1\""
    );
    cached.advance(7_000);
    for worker in [0, 1, 2] {
        let hit = cached.get(worker, "/a");
        assert_eq!((hit.status, text(&hit)), (200, "/a"));
        assert_eq!(
            cache_status(&hit),
            "weir; hit; ttl=53; key=\"v1\"; detail=\"shared\""
        );
        assert_eq!(hit.headers.text("age").as_deref(), Some("7"));
        assert_eq!(hit.headers.text("content-type").as_deref(), Some("text/plain"));
        assert_eq!(hit.headers.text("content-length").as_deref(), Some("2"));
        let again = cached.get(worker, "/a");
        assert!(
            cache_status(&again).contains("\"memory\""),
            "{}",
            cache_status(&again)
        );
    }
    assert_eq!(cached.origin.count(), 1);
    cached.advance(53_000);
    assert!(!is_hit(&cached.get(1, "/a")));
    assert_eq!(cached.origin.count(), 2);
}

#[test]
fn the_path_the_query_and_the_authority_tell_answers_apart() {
    let cached = Cached::on(2, &plain());
    let requests = [
        ("service.test", "/a"),
        ("service.test", "/b"),
        ("service.test", "/a?x=1"),
        ("service.test", "/a?x=2"),
        ("other.test", "/a"),
    ];
    cached.origin.answer(|request| {
        let authority = request.headers.text(":authority").unwrap();
        fresh(60).body(format!("{authority}{}", path(request)))
    });
    for (worker, hits) in [(0, false), (1, true)] {
        for (authority, path) in requests {
            let answer = cached.ask(worker, Request::get(path).authority(authority));
            assert_eq!(is_hit(&answer), hits);
            assert_eq!(text(&answer), format!("{authority}{path}"));
        }
    }
    assert_eq!(cached.origin.count(), requests.len());
}

#[test]
fn head_is_answered_by_what_get_has_stored() {
    let cached = Cached::on(2, &plain());
    let head = cached.ask(0, Request::new("HEAD", "/a"));
    assert!(!is_hit(&head));
    assert!(!is_hit(&cached.get(0, "/a")), "a HEAD request stores nothing");
    let head = cached.ask(1, Request::new("HEAD", "/a"));
    assert!(is_hit(&head));
    assert!(head.body.is_empty());
    assert_eq!(head.headers.text("content-length").as_deref(), Some("2"));
    assert_eq!(cached.origin.count(), 2);
}

#[test]
fn ranges_are_cut_from_what_is_stored() {
    let cached = Cached::on(2, &plain());
    cached.origin.always(fresh(60).body("0123456789"));
    cached.get(0, "/a");
    let cases = [
        ("bytes=0-3", 206, "0123", "bytes 0-3/10"),
        ("bytes=4-", 206, "456789", "bytes 4-9/10"),
        ("bytes=-2", 206, "89", "bytes 8-9/10"),
        ("bytes=20-", 416, "", "bytes */10"),
    ];
    for (range, status, body, content_range) in cases {
        let part = cached.ask(1, Request::get("/a").header("range", range));
        assert_eq!((part.status, text(&part)), (status, body), "{range}");
        assert_eq!(
            part.headers.text("content-range").as_deref(),
            Some(content_range),
            "{range}"
        );
        assert!(is_hit(&part));
    }
    let odd = cached.ask(0, Request::get("/a").header("range", "lines=1-2"));
    assert_eq!((odd.status, text(&odd)), (200, "0123456789"));
    assert_eq!(cached.origin.count(), 1);
}

#[test]
fn who_has_it_already_is_told_so() {
    let cached = Cached::on(2, &plain());
    cached.origin.always(tagged("v1", "max-age=60"));
    cached.get(0, "/a");
    let known = cached.ask(1, Request::get("/a").header("if-none-match", "\"v1\""));
    assert_eq!((known.status, text(&known)), (304, ""));
    assert_eq!(known.headers.text("etag").as_deref(), Some("\"v1\""));
    assert_eq!(known.headers.text("content-type"), None);
    let other = cached.ask(1, Request::get("/a").header("if-none-match", "\"v0\""));
    assert_eq!((other.status, text(&other)), (200, "v1"));
    assert_eq!(cached.origin.count(), 1);
}

#[test]
fn only_if_cached_asks_nobody() {
    let cached = Cached::on(1, &plain());
    let only = || Request::get("/a").header("cache-control", "only-if-cached");
    assert_eq!(cached.ask(0, only()).status, 504);
    assert_eq!(cached.origin.count(), 0);
    cached.get(0, "/a");
    assert_eq!(cached.ask(0, only()).status, 200);
    assert_eq!(cached.origin.count(), 1);
}

#[test]
fn errors_and_redirects_are_stored_as_the_origin_says() {
    let cached = Cached::on(2, &plain());
    for status in [301, 404, 410] {
        let path = format!("/{status}");
        let answer = Answer::status(status)
            .header("cache-control", "max-age=60")
            .body("gone");
        cached.origin.always(answer);
        let [first, second] = [0, 1].map(|worker| cached.get(worker, &path));
        assert_eq!([first.status, second.status], [status; 2]);
        assert!(is_hit(&second), "{status}");
    }
}

#[test]
fn what_is_long_and_what_is_empty_is_served_whole() {
    let cached = Cached::on(2, &plain());
    for length in [0, 1, 65_535, 65_536] {
        let body: Vec<u8> = (0..length).map(|at: usize| (at % 251) as u8).collect();
        cached.origin.always(fresh(60).body(body.clone()));
        let path = format!("/{length}");
        for worker in [0, 1, 1] {
            assert_eq!(cached.get(worker, &path).body, body, "{length}");
        }
    }
    assert_eq!(cached.origin.count(), 4);
}

#[test]
fn a_large_answer_is_whole_and_says_how_long_it_is_whoever_asks_for_it() {
    let cached = Cached::on(2, &plain());
    let body: Vec<u8> = (0..60_000).map(|at: usize| (at % 251) as u8).collect();
    cached.origin.always(fresh(60).body(body.clone()));
    let said = |answer: &Response| answer.headers.text("content-length");
    for exchange in cached.crowd(8, "/a") {
        let answer = exchange.response().unwrap();
        assert_eq!((answer.status, answer.body == body), (200, true), "{exchange}");
    }
    for worker in [0, 1, 0] {
        let answer = cached.get(worker, "/a");
        assert!(is_hit(&answer) && answer.body == body);
        assert_eq!(said(&answer).as_deref(), Some("60000"));
    }
    let part = cached.ask(1, Request::get("/a").header("range", "bytes=1-40000"));
    assert_eq!((part.status, &part.body[..]), (206, &body[1..=40_000]));
    assert_eq!(said(&part).as_deref(), Some("40000"));
    let head = cached.ask(0, Request::new("HEAD", "/a"));
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(said(&head).as_deref(), Some("60000"));
    assert_eq!(cached.origin.count(), 1);
}

#[test]
fn objects_give_way_to_others_and_the_cache_stays_within_its_bounds() {
    let limits = json!({"objectBytes": 65_536, "totalBytes": 1_048_576, "objects": 64});
    let cached = Cached::on(2, &plain_with("/limits", limits));
    cached.origin.always(fresh(600).body(vec![b'x'; 30_000]));
    for round in 0..200 {
        let answer = cached.get(round % 2, &format!("/{round}"));
        assert_eq!(answer.body.len(), 30_000);
    }
    let total = cached.process.shared_bytes("weir.edge-cache");
    assert!((500_000..1_400_000).contains(&total), "{total} bytes");
    assert!(cached.process.traps().is_empty());
}

/// Of six objects of 40 KB that one worker serves in turn, how many it has a copy of in the end.
fn copies(workers: usize) -> usize {
    let cached = Cached::on(workers, &plain());
    cached.origin.always(fresh(600).body(vec![b'x'; 40_000]));
    cached.advance(1_100);
    let round = || {
        let answers = (0..6).map(|path| cached.get(0, &format!("/{path}")));
        let own = answers.filter(|answer| cache_status(answer).contains("detail=\"memory\""));
        own.count()
    };
    (0..20).fold(0, |_, _| round())
}

/// A sixteenth of 8 MiB, for all but one.
#[test]
fn workers_share_what_copies_may_take() {
    assert_eq!(copies(1), 6);
    assert_eq!(copies(2), 6);
    let few = copies(5);
    assert!((1..=3).contains(&few), "{few}");
}
