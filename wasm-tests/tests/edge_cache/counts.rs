//! Every request that a policy is for counts once.

use proptest::prelude::*;
use serde_json::json;
use weir_wasm_tests::{Answer, Exchange, Request};

use crate::fixture::{Cached, POLICY, policy, slot, with};
use crate::origin::{fresh, ms, tagged};

const OUTCOMES: [&str; 26] = [
    "hit-memory",
    "hit-shared",
    "collapsed",
    "stale",
    "validated",
    "unsafe",
    "miss-absent",
    "miss-stale",
    "miss-hit-for-miss",
    "miss-alone",
    "miss-late",
    "miss-head",
    "miss-only-if-cached",
    "miss-no-room",
    "miss-failed",
    "bypass-method",
    "bypass-upgrade",
    "bypass-grpc",
    "bypass-event-stream",
    "bypass-header",
    "bypass-cookie",
    "bypass-no-store",
    "bypass-not-persisted",
    "bypass-body",
    "bypass-no-target",
    "miss-left",
];

/// All outcomes together.
fn total(cached: &Cached) -> u64 {
    cached.advance(10_000);
    let policy = POLICY.replace('/', "_");
    let count = |outcome: &&str| {
        let name = format!("weir_cache_requests_total.filter.edge-cache.policy.{policy}.outcome.{outcome}");
        cached.process.counter(&name).unwrap_or(0)
    };
    OUTCOMES.iter().map(count).sum()
}

#[derive(Clone, Debug)]
enum Deed {
    Ask { worker: usize, path: u8, how: u8 },
    Wait(u64),
}

fn deed() -> impl Strategy<Value = Deed> {
    prop_oneof![
        3 => (0..2_usize, 0..4_u8, 0..8_u8).prop_map(|(worker, path, how)| Deed::Ask { worker, path, how }),
        1 => prop_oneof![0..60_u64, 0..4_000_u64].prop_map(Deed::Wait),
    ]
}

fn request(path: u8, how: u8) -> Request {
    let path = format!("/{path}");
    match how {
        0 => Request::new("HEAD", &path),
        1 => Request::new("POST", &path).body("x"),
        2 => Request::get(&path).header("cache-control", "no-cache"),
        3 => Request::get(&path).header("accept", "text/event-stream"),
        4 => Request::get(&path).header("cache-control", "only-if-cached"),
        _ => Request::get(&path),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn outcomes_add_up(deeds in prop::collection::vec(deed(), 1..60)) {
        let policy = with(policy(), "/stale", json!({"whileRevalidateMs": 1_000, "ifErrorMs": 2_000}));
        let policy = with(policy, "/coalesce", json!({"maxWaiters": 2, "timeoutMs": 500}));
        let cached = Cached::on(2, &slot(&policy));
        cached.origin.answer(|request| match request.headers.get(":path") {
            Some(b"/0") => fresh(1).body("0").after(ms(20)),
            Some(b"/1") => tagged("1", "max-age=1").after(ms(30)),
            Some(b"/2") => Answer::ok().header("cache-control", "no-store").after(ms(10)),
            _ => Answer::status(500).after(ms(700)),
        });
        let mut exchanges: Vec<Exchange> = Vec::new();
        for deed in &deeds {
            match deed {
                Deed::Ask { worker, path, how } => exchanges.push(cached.send(*worker, request(*path, *how))),
                Deed::Wait(milliseconds) => cached.advance(*milliseconds),
            }
        }
        prop_assert_eq!(total(&cached), exchanges.len() as u64);
        prop_assert!(exchanges.iter().all(Exchange::is_complete));
    }
}

#[test]
fn a_request_that_goes_away_while_it_is_held_counts_too() {
    let cached = Cached::on(2, &slot(&policy()));
    cached.origin.always(fresh(60).body("one").after(ms(100)));
    let crowd = cached.crowd(10, "/a");
    crowd[0].abort();
    crowd[5].abort();
    crowd[6].abort();
    cached.advance(300);
    assert_eq!(total(&cached), 10);
}
