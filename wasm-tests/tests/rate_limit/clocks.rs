//! A clock that steps: no trap, no free pass, no long lockout.

use serde_json::{Value, json};

use crate::fixture::{Limited, by_user, rate, slot, user, with};

const HOUR_NS: i64 = 3_600_000_000_000;

/// Five at once, and one more every 200 ms: a second until all are back.
fn five() -> Value {
    slot(&[by_user(rate(5, 1_000, 5))])
}

impl Limited {
    fn step(&self, nanoseconds: i64) {
        self.fleet.step_clock(nanoseconds);
    }
}

#[test]
fn a_step_back_gives_no_free_pass_and_no_lockout_longer_than_the_burst() {
    for step in [-HOUR_NS, -2_000_000_000, -1_500_000_000] {
        let limited = Limited::on(2, &five());
        assert_eq!(limited.drain(&user("alice")), 5);
        limited.step(step);
        assert_eq!(limited.drain(&user("alice")), 0, "{step}");
        let passed: u64 = (0..10)
            .map(|_| {
                limited.advance(200);
                limited.drain(&user("alice"))
            })
            .sum();
        assert!((5..=10).contains(&passed), "{step}: {passed} in two seconds");
    }
}

#[test]
fn a_step_forth_gives_the_burst_at_most() {
    let limited = Limited::on(2, &five());
    limited.drain(&user("alice"));
    limited.step(HOUR_NS);
    assert_eq!(limited.drain(&user("alice")), 5);
    limited.step(-HOUR_NS);
    assert_eq!(limited.drain(&user("alice")), 0);
    limited.advance(1_000);
    assert_eq!(limited.drain(&user("alice")), 5);
}

#[test]
fn steps_back_and_forth_trap_nothing_with_any_quota() {
    let quotas = [
        rate(5, 1_000, 5),
        json!({"slidingWindow": {"requests": 5, "windowMs": 1_000}}),
        json!({"concurrency": {"requests": 5, "maxDurationMs": 1_000}}),
    ];
    for quota in quotas {
        for fleet in [false, true] {
            let mut limit = by_user(quota.clone());
            if fleet && quota["rate"].is_object() {
                limit = with(limit, "fleet", json!({"proxies": 1}));
            }
            let configuration = with(slot(&[limit]), "control", json!({"cluster": "weir-control"}));
            let limited = Limited::on(2, &configuration);
            for step in [0, -HOUR_NS, HOUR_NS, i64::MIN, i64::MAX, -1, 1, i64::MIN] {
                limited.step(step);
                limited.advance(300);
                let open: Vec<_> = [0, 1]
                    .map(|worker| limited.plugin.worker(worker).open(user("alice")).unwrap())
                    .into();
                limited.step(step / 3);
                for stream in open {
                    stream.finish().unwrap();
                }
            }
            assert!(limited.process.traps().is_empty());
        }
    }
}

#[test]
fn windows_and_counts_hold_over_a_step_back() {
    let quotas = [
        json!({"slidingWindow": {"requests": 5, "windowMs": 1_000}}),
        rate(5, 1_000, 5),
    ];
    for quota in quotas {
        let limited = Limited::on(2, &slot(&[by_user(quota.clone())]));
        assert_eq!(limited.drain(&user("alice")), 5);
        limited.step(-HOUR_NS);
        assert_eq!(limited.drain(&user("alice")), 0, "{quota}");
        limited.advance(2_000);
        assert_eq!(limited.drain(&user("alice")), 5, "{quota}");
    }
}
