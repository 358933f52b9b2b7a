//! Configurations, modules and workers change while requests are held: nobody hangs.

use serde_json::{Value, json};
use weir_wasm_tests::{Request, Response};

use crate::fixture::{Cached, POLICY, SLOT, assert_all, is_hit, next, plain, plain_with, statuses, text};
use crate::origin::{fresh, ms, tagged, versioned};

/// What the plain policy lets be kept.
const BYTES: u64 = 8_388_608;

/// A slot without a policy.
fn empty() -> Value {
    json!({"format": 1, "slot": SLOT, "generation": 9, "rules": [], "policies": {}})
}

#[test]
fn what_is_stored_outlives_a_configuration() {
    let cached = Cached::on(2, &plain());
    cached.get(0, "/a");
    cached.configure(&next(plain()));
    assert!(is_hit(&cached.get(1, "/a")));
    cached.configure(&next(next(plain())));
    cached.advance(10_000);
    assert!(
        is_hit(&cached.get(1, "/a")),
        "though nobody has asked for a while"
    );
    cached.configure(&plain_with("/key/version", json!(2)));
    assert!(!is_hit(&cached.get(1, "/a")), "another version is another cache");
}

#[test]
fn what_is_stored_outlives_a_module() {
    let mut cached = Cached::on(2, &plain());
    cached.get(0, "/a");
    cached.reload(&plain());
    assert!(is_hit(&cached.get(1, "/a")));
    assert_eq!(cached.origin.count(), 1);
}

/// How many bytes are in shared data.
fn kept(cached: &Cached) -> usize {
    cached.process.shared_bytes("weir.edge-cache")
}

fn bytes_gauge(cached: &Cached) -> Option<u64> {
    let policy = POLICY.replace('/', "_");
    let name = format!("weir_cache_bytes.filter.edge-cache.policy.{policy}");
    cached.process.gauge(&name)
}

/// More than there is where nothing is stored: totals, lists of workers.
const EMPTY: usize = 500;

#[test]
fn what_was_stored_under_other_limits_goes() {
    let cached = Cached::on(2, &plain());
    cached.origin.always(fresh(60).body("x".repeat(10_000)));
    let ask = |path: usize| cached.get(path % 2, &format!("/{path}"));
    for path in 0..200 {
        ask(path);
    }
    let before = kept(&cached);
    assert!(before > 2_000_000, "{before}");
    cached.configure(&next(plain_with("/limits/totalBytes", json!(2 * BYTES))));
    cached.advance(10_000);
    let after = kept(&cached);
    assert!(after <= EMPTY, "{after}");
    assert!(!is_hit(&ask(1)), "it is stored elsewhere");
    assert!(is_hit(&ask(1)));
    cached.advance(2_000);
    assert!((10_000..30_000).contains(&kept(&cached)));
    assert!((10_000..30_000).contains(&bytes_gauge(&cached).unwrap()));
}

#[test]
fn what_a_policy_stored_that_is_gone_goes() {
    let cached = Cached::on(2, &plain());
    cached.get(0, "/a");
    cached.advance(1_100);
    assert!(kept(&cached) > EMPTY && bytes_gauge(&cached).unwrap() > 0);
    cached.configure(&empty());
    cached.advance(10_000);
    assert!(kept(&cached) <= EMPTY, "{}", kept(&cached));
    assert_eq!(bytes_gauge(&cached), Some(0));
    cached.configure(&next(plain()));
    assert!(!is_hit(&cached.get(1, "/a")));
    assert!(is_hit(&cached.get(0, "/a")));
}

/// Twenty objects are stored under each of the configurations, which are in force for so long. What is kept in the end.
fn twenty_under(configurations: &[&Value], wait: u64) -> usize {
    let cached = Cached::on(2, configurations[0]);
    cached.origin.always(fresh(60).body("x".repeat(10_000)));
    let ask = |path: usize| cached.get(path % 2, &format!("/{path}"));
    for configuration in configurations {
        cached.configure(configuration);
        cached.advance(wait);
        for path in 0..20 {
            ask(path);
            assert!(is_hit(&ask(path)), "{wait}");
        }
    }
    cached.advance(20_000);
    assert!((0..20).all(|path| is_hit(&ask(path))), "{wait}");
    kept(&cached)
}

#[test]
fn a_policy_that_comes_back_finds_a_store_that_works() {
    let (plain, others) = (plain(), plain_with("/limits/totalBytes", json!(2 * BYTES)));
    let expected = twenty_under(&[&plain], 0) + EMPTY;
    for wait in [0, 10, 60, 120, 1_000] {
        let found = twenty_under(&[&plain, &others, &plain, &others, &plain], wait);
        assert!(found <= expected, "{wait}: {found}, expected {expected}");
    }
}

#[test]
fn a_leader_of_the_former_configuration_serves_followers_of_the_new_one() {
    for workers in [1, 2, 4] {
        let cached = Cached::on(workers, &plain());
        cached.origin.always(fresh(60).body("one").after(ms(500)));
        let before = cached.crowd(20, "/a");
        cached.advance(100);
        cached.configure(&next(plain()));
        let after = cached.crowd(20, "/a");
        cached.advance(410);
        assert_all(&before, "one");
        assert_all(&after, "one");
        assert_eq!(cached.origin.count(), 1);
        cached.advance(5_000);
        assert_eq!(
            cached.process.gauge("weir_generation_draining.filter.edge-cache"),
            Some(0)
        );
    }
}

#[test]
fn followers_are_told_across_workers_right_after_a_new_configuration() {
    for wait in [0, 1, 15, 100, 500] {
        let cached = Cached::on(2, &plain());
        cached.advance(990);
        cached.configure(&next(plain()));
        cached.advance(wait);
        cached.origin.always(fresh(60).body("one").after(ms(100)));
        let crowd = cached.crowd(10, "/a");
        cached.advance(200);
        assert_all(&crowd, "one");
        assert_eq!(cached.origin.count(), 1, "{wait}");
    }
}

#[test]
fn held_requests_go_on_under_an_empty_configuration() {
    for lost in [false, true] {
        let cached = Cached::on(2, &plain());
        cached.origin.always(fresh(60).body("one").after(ms(100)));
        let leader = cached.send(0, Request::get("/a"));
        let follower = cached.send(1, Request::get("/a"));
        if lost {
            cached.plugin.worker(0).lose().unwrap();
        }
        cached.configure(&empty());
        cached.advance(7_000);
        assert_all(&[follower], "one");
        assert!(lost || leader.is_complete());
    }
}

#[test]
fn held_requests_go_on_when_the_module_changes() {
    for workers in [1, 2] {
        let mut cached = Cached::on(workers, &plain());
        cached.origin.always(fresh(60).body("one").after(ms(500)));
        let before = cached.crowd(10, "/a");
        cached.advance(100);
        cached.reload(&plain());
        cached.advance(20);
        let after = cached.crowd(10, "/a");
        cached.advance(6_000);
        assert_all(&before, "one");
        assert_all(&after, "one");
        assert!(cached.origin.count() <= 2, "{}", cached.origin.count());
    }
}

#[test]
fn calls_under_way_end_when_the_module_changes() {
    let mut cached = Cached::on(2, &plain());
    cached.origin.always(tagged("v1", "max-age=1"));
    cached.get(0, "/a");
    cached.advance(2_000);
    cached
        .origin
        .answer(|request| versioned("v1", "max-age=60")(request).after(ms(500)));
    let before = cached.crowd(10, "/a");
    cached.reload(&plain());
    let after = cached.crowd(10, "/a");
    cached.advance(6_000);
    assert_all(&before, "v1");
    assert_all(&after, "v1");
}

#[test]
fn followers_of_a_lost_worker_go_on_when_their_time_is_over() {
    let cached = Cached::on(2, &plain_with("/coalesce/timeoutMs", json!(1_000)));
    cached.origin.always(fresh(60).body("one").after(ms(100)));
    let leader = cached.send(0, Request::get("/a"));
    let follower = cached.send(1, Request::get("/a"));
    cached.plugin.worker(0).lose().unwrap();
    cached.advance(500);
    assert!(!follower.has_ended() && !leader.is_complete());
    cached.advance(800);
    assert_all(&[follower], "one");
    cached.get(0, "/a");
    assert_eq!(text(&cached.get(0, "/a")), "one");
}

#[test]
fn a_worker_that_is_busy_hears_of_it_later() {
    let cached = Cached::on(2, &plain());
    cached.origin.always(fresh(60).body("one").after(ms(100)));
    let leader = cached.send(0, Request::get("/a"));
    let follower = cached.send(1, Request::get("/a"));
    cached.plugin.worker(1).stall();
    cached.advance(200);
    cached.plugin.worker(1).resume().unwrap();
    cached.advance(6_000);
    assert_eq!(statuses(&[leader, follower]), [200, 200]);
}

/// The wall clock steps while requests are held, and between requests.
#[test]
fn steps_of_the_clock_leave_nobody_hanging() {
    const SECOND: i64 = 1_000_000_000;
    for step in [-86_400 * SECOND, -SECOND, SECOND, 4 * SECOND, 86_400 * SECOND] {
        let cached = Cached::on(2, &plain());
        cached
            .origin
            .answer(|request| versioned("v1", "max-age=10")(request).after(ms(100)));
        let crowd = cached.crowd(20, "/a");
        cached.fleet.step_clock(step);
        cached.advance(300);
        assert_all(&crowd, "v1");
        let ask = || -> Vec<Response> { [0, 1].map(|worker| cached.get(worker, "/a")).to_vec() };
        assert!(ask().iter().all(|answer| text(answer) == "v1"), "{step}");
        cached.advance(11_000);
        let validating = cached.crowd(20, "/a");
        cached.fleet.step_clock(-step);
        cached.advance(5_000);
        assert_all(&validating, "v1");
        assert!(ask().iter().all(|answer| text(answer) == "v1"), "{step}");
        let again = ask();
        assert!(again.iter().all(is_hit), "{step}: {again:?}");
        assert!(cached.process.traps().is_empty());
    }
}
