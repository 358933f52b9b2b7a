//! Many requests for an answer that is not there yet: one of them fetches it.

use serde_json::json;
use weir_wasm_tests::{Answer, Exchange, Request, Response};

use crate::fixture::{Cached, assert_all, cache_status, plain, plain_with, statuses, text};
use crate::origin::{fresh, ms, path, tagged};

/// Answers after 100 ms.
fn slow(cached: &Cached, answer: Answer) {
    cached.origin.always(answer.after(ms(100)));
}

fn responses(exchanges: &[Exchange]) -> Vec<Response> {
    exchanges
        .iter()
        .map(|exchange| exchange.response().unwrap())
        .collect()
}

#[test]
fn a_hundred_requests_for_a_cold_key_reach_the_origin_once() {
    for workers in [1, 2, 4] {
        let cached = Cached::on(workers, &plain());
        slow(&cached, fresh(60).body("one"));
        let crowd = cached.crowd(100, "/a");
        assert_eq!(cached.origin.count(), 1, "{workers} workers");
        cached.advance(110);
        assert_all(&crowd, "one");
        assert_eq!(cached.origin.count(), 1, "{workers} workers");
        let told = responses(&crowd);
        assert!(cache_status(&told[0]).contains("stored"));
        assert!(
            told[1..]
                .iter()
                .all(|told| cache_status(told).contains("; hit; ")
                    && cache_status(told).contains("; collapsed"))
        );
    }
}

#[test]
fn those_who_come_while_the_body_passes_wait_for_its_end() {
    let cached = Cached::on(2, &plain());
    cached
        .origin
        .always(fresh(60).body("first ").chunk(ms(200), "second"));
    let leader = cached.send(0, Request::get("/a"));
    cached.advance(100);
    let crowd = cached.crowd(10, "/a");
    assert_eq!(leader.response().unwrap().body, b"first ");
    assert!(crowd.iter().all(|exchange| exchange.response().is_none()));
    cached.advance(110);
    assert_all(&crowd, "first second");
    assert_eq!(cached.origin.count(), 1);
}

#[test]
fn followers_of_an_answer_that_is_not_for_all_go_on_together() {
    for cache_control in ["no-store", "private", "max-age=0"] {
        for workers in [1, 2] {
            let cached = Cached::on(workers, &plain());
            slow(
                &cached,
                Answer::ok().header("cache-control", cache_control).body("own"),
            );
            let crowd = cached.crowd(50, "/a");
            assert_eq!(cached.origin.count(), 1);
            cached.advance(110);
            assert_eq!(cached.origin.count(), 50, "{cache_control}: all at once");
            cached.advance(110);
            assert_all(&crowd, "own");
            // Nor do later ones wait.
            let later = cached.crowd(10, "/a");
            assert_eq!(cached.origin.count(), 60, "{cache_control}");
            cached.advance(110);
            assert_all(&later, "own");
        }
    }
}

#[test]
fn what_could_not_be_stored_is_stored_once_it_can() {
    let cached = Cached::on(2, &plain());
    cached
        .origin
        .always(Answer::ok().header("cache-control", "no-store").body("own"));
    cached.get(0, "/a");
    cached.origin.always(fresh(60).body("all"));
    assert_eq!(text(&cached.get(1, "/a")), "all");
    assert_eq!(text(&cached.get(0, "/a")), "all");
    assert_eq!(cached.origin.count(), 2);
}

/// The leader comes to nothing; those who wait go on, and one of them leads.
fn another_leads(end_leader: impl Fn(&Cached, &Exchange)) {
    for workers in [1, 2, 4] {
        let cached = Cached::on(workers, &plain());
        slow(&cached, fresh(60).body("first ").chunk(ms(100), "second"));
        let leader = cached.send(0, Request::get("/a"));
        let crowd = cached.crowd(20, "/a");
        end_leader(&cached, &leader);
        let begun = cached.origin.count();
        cached.advance(210);
        assert_all(&crowd, "first second");
        assert_eq!((begun, cached.origin.count()), (2, 2), "{workers} workers");
        assert_eq!(text(&cached.get(0, "/a")), "first second");
        assert_eq!(cached.origin.count(), 2);
    }
}

#[test]
fn where_the_leaders_client_goes_away_another_leads() {
    another_leads(|_, leader| leader.abort());
    another_leads(|cached, leader| {
        cached.advance(150);
        assert_eq!(leader.response().unwrap().body, b"first ");
        leader.abort();
    });
}

#[test]
fn where_the_origin_resets_the_leader_in_its_body_another_leads() {
    let cached = Cached::on(2, &plain());
    slow(&cached, fresh(60).body("first ").then_reset());
    let leader = cached.send(0, Request::get("/a"));
    let crowd = cached.crowd(20, "/a");
    slow(&cached, fresh(60).body("whole"));
    cached.advance(250);
    assert!(leader.was_reset());
    assert_all(&crowd, "whole");
    assert_eq!(cached.origin.count(), 2);
}

#[test]
fn where_the_origin_fails_the_leader_the_others_go_on() {
    for answer in [
        Answer::reset(),
        Answer::refused(),
        Answer::closed(),
        Answer::status(500),
    ] {
        let cached = Cached::on(2, &plain());
        slow(&cached, answer);
        let crowd = cached.crowd(10, "/a");
        cached.advance(1_000);
        let statuses = statuses(&crowd);
        assert!(statuses.iter().all(|status| *status >= 500), "{statuses:?}");
        assert_eq!(cached.origin.count(), 10);
    }
}

#[test]
fn an_answer_that_is_too_long_or_has_trailers_is_passed_on_to_all() {
    let long = || {
        fresh(60)
            .body(vec![b'x'; 40_000])
            .chunk(ms(10), vec![b'x'; 40_000])
    };
    let trailers = || fresh(60).body(vec![b'x'; 80_000]).trailer("x-sum", "1");
    for answer in [long(), trailers()] {
        let cached = Cached::on(2, &plain());
        slow(&cached, answer);
        let crowd = cached.crowd(10, "/a");
        cached.advance(120);
        assert_eq!(cached.origin.count(), 10);
        cached.advance(120);
        for response in responses(&crowd) {
            assert_eq!((response.status, response.body.len()), (200, 80_000));
        }
        assert!(statuses(&crowd).iter().all(|status| *status == 200));
        cached.get(0, "/a");
        assert_eq!(cached.origin.count(), 11);
    }
}

#[test]
fn who_has_waited_long_enough_goes_on() {
    let cached = Cached::on(2, &plain_with("/coalesce/timeoutMs", json!(300)));
    cached.origin.always(fresh(60).body("late").after(ms(1_000)));
    let crowd = cached.crowd(10, "/a");
    cached.advance(250);
    assert_eq!(cached.origin.count(), 1);
    cached.advance(110);
    assert_eq!(cached.origin.count(), 10, "all went on");
    cached.advance(1_000);
    assert_all(&crowd, "late");
    assert_eq!(cached.counted("requests", "miss-late"), 9);
}

#[test]
fn no_more_wait_than_the_policy_says() {
    let cached = Cached::on(2, &plain_with("/coalesce/maxWaiters", json!(3)));
    slow(&cached, fresh(60).body("one"));
    let crowd = cached.crowd(20, "/a");
    // One leads; three wait in each worker.
    assert_eq!(cached.origin.count(), 20 - 6);
    cached.advance(110);
    assert_all(&crowd, "one");
    let cached = Cached::on(2, &plain_with("/coalesce/maxWaiters", json!(0)));
    slow(&cached, fresh(60).body("one"));
    cached.crowd(20, "/a");
    assert_eq!(cached.origin.count(), 20);
}

#[test]
fn a_follower_that_goes_away_is_forgotten() {
    let cached = Cached::on(2, &plain());
    slow(&cached, fresh(60).body("one"));
    let crowd = cached.crowd(10, "/a");
    crowd[3].abort();
    crowd[4].abort();
    cached.advance(110);
    assert!(crowd[3].was_reset() && crowd[4].was_reset());
    assert_all(&crowd[5..], "one");
    assert_all(&crowd[..3], "one");
    assert!(cached.process.traps().is_empty());
    assert!(complaints(&cached).is_empty(), "{:?}", complaints(&cached));
}

/// What the filter has warned of.
fn complaints(cached: &Cached) -> Vec<String> {
    let lines = cached.process.logs().into_iter();
    lines
        .map(|line| format!("{line:?}"))
        .filter(|line| line.contains("Warn") || line.contains("Error"))
        .collect()
}

/// Answers after 100 ms; with trailing time for several rounds, how many rounds it took until all had an answer.
fn rounds(cached: &Cached, crowd: &[Exchange]) -> usize {
    let done = |exchange: &Exchange| exchange.has_ended();
    (1..100)
        .find(|_| {
            cached.advance(101);
            crowd.iter().all(done)
        })
        .unwrap()
}

#[test]
fn answers_that_have_to_be_validated_each_time_are_not_waited_for_one_after_another() {
    for workers in [1, 2] {
        let cached = Cached::on(workers, &plain());
        slow(&cached, tagged("v1", "no-cache"));
        let crowd = cached.crowd(30, "/a");
        assert!(rounds(&cached, &crowd) <= 3, "{workers} workers");
        assert_all(&crowd, "v1");
        // The same, once it is stored.
        let crowd = cached.crowd(30, "/a");
        assert!(rounds(&cached, &crowd) <= 3, "{workers} workers");
        assert_all(&crowd, "v1");
    }
}

#[test]
fn reloads_are_not_waited_for_one_after_another() {
    for directive in ["no-cache", "max-age=0"] {
        let cached = Cached::on(2, &plain());
        slow(&cached, tagged("v1", "max-age=60"));
        let crowd = cached.crowd_of(30, |_| Request::get("/a").header("cache-control", directive));
        assert!(rounds(&cached, &crowd) <= 3, "{directive}");
        assert_all(&crowd, "v1");
    }
}

#[test]
fn parts_are_not_waited_for_one_after_another() {
    let cached = Cached::on(2, &plain());
    cached.origin.answer(|request| {
        let range = request.headers.text("range").unwrap();
        let first: usize = range
            .strip_prefix("bytes=")
            .unwrap()
            .split('-')
            .next()
            .unwrap()
            .parse()
            .unwrap();
        Answer::status(206)
            .header("cache-control", "max-age=60")
            .header("etag", "\"v1\"")
            .header("content-range", format!("bytes {first}-{first}/1000"))
            .body("x")
            .after(ms(100))
    });
    let part = |number: usize| Request::get("/a").header("range", format!("bytes={number}-{number}"));
    let crowd = cached.crowd_of(30, part);
    assert!(rounds(&cached, &crowd) <= 3);
    assert!(statuses(&crowd).iter().all(|status| *status == 206));
    for (number, response) in responses(&crowd).iter().enumerate() {
        let range = response.headers.text("content-range").unwrap();
        assert_eq!(range, format!("bytes {number}-{number}/1000"));
    }
}

#[test]
fn clients_with_credentials_are_not_waited_for_one_after_another() {
    let cached = Cached::on(2, &plain());
    slow(&cached, fresh(60).body("all"));
    cached.get(0, "/a");
    let crowd = cached.crowd_of(30, |_| Request::get("/a").header("authorization", "Basic YTpi"));
    assert!(rounds(&cached, &crowd) <= 2);
    assert_eq!(cached.origin.count(), 31);
}

#[test]
fn variants_are_fetched_side_by_side() {
    let cached = Cached::on(2, &plain());
    cached.origin.answer(|request| {
        let language = request.headers.text("accept-language").unwrap();
        fresh(60)
            .header("vary", "accept-language")
            .body(language)
            .after(ms(100))
    });
    let ask = |number: usize| Request::get("/a").header("accept-language", ["en", "de", "fr"][number % 3]);
    let crowd = cached.crowd_of(60, ask);
    assert!(rounds(&cached, &crowd) <= 2);
    for (number, response) in responses(&crowd).iter().enumerate() {
        assert_eq!(text(response), ["en", "de", "fr"][number % 3]);
    }
    assert_eq!(cached.origin.count(), 3);
}

#[test]
fn keys_do_not_wait_for_one_another() {
    let cached = Cached::on(2, &plain());
    cached
        .origin
        .answer(|request| fresh(60).body(path(request)).after(ms(100)));
    let crowd = cached.crowd_of(100, |number| Request::get(&format!("/{}", number % 10)));
    assert_eq!(cached.origin.count(), 10);
    cached.advance(101);
    for (number, response) in responses(&crowd).iter().enumerate() {
        assert_eq!(text(response), format!("/{}", number % 10));
    }
}
