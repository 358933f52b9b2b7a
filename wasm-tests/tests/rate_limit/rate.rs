//! A rate is exact over all workers, whatever happens to them.

use crate::fixture::{Limited, by_user, rate, slot, user, with};

/// 200 a second and 100 at once: one comes back every 5 ms.
fn two_hundred() -> serde_json::Value {
    slot(&[by_user(rate(200, 1_000, 100))])
}

#[test]
fn four_workers_let_exactly_rate_times_time_and_the_burst_pass() {
    let limited = Limited::on(4, &two_hundred());
    let mut passed = limited.drain(&user("alice"));
    assert_eq!(passed, 100);
    for millisecond in 1..=3_000 {
        limited.advance(1);
        passed += limited.drain(&user("alice"));
        assert_eq!(passed, 100 + millisecond / 5, "after {millisecond} ms");
    }
    assert_eq!(limited.drain(&user("bob")), 100, "another client has its own");
    assert_eq!(limited.counted("allowed", "api", "user"), passed + 100);
}

#[test]
fn after_a_pause_no_more_than_the_burst_passes() {
    let limited = Limited::on(2, &two_hundred());
    limited.drain(&user("alice"));
    limited.advance(60_000);
    assert_eq!(limited.drain(&user("alice")), 100);
}

#[test]
fn lost_workers_lose_no_count() {
    let limited = Limited::on(4, &two_hundred());
    limited.drain(&user("alice"));
    for worker in limited.plugin.workers() {
        worker.lose().unwrap();
    }
    assert_eq!(limited.drain(&user("alice")), 0);
    limited.advance(50);
    assert_eq!(limited.drain(&user("alice")), 10);
}

#[test]
fn a_new_configuration_goes_on_with_the_counts() {
    let limited = Limited::on(4, &two_hundred());
    limited.drain(&user("alice"));
    let generation = |limits| with(slot(&[limits]), "generation", 2.into());
    limited.configure(&generation(by_user(rate(400, 1_000, 100))));
    assert_eq!(limited.drain(&user("alice")), 0);
    limited.advance(50);
    assert_eq!(limited.drain(&user("alice")), 20, "the rate is the new one");
}

#[test]
fn a_module_that_is_loaded_again_goes_on_with_the_counts() {
    let limited = Limited::on(2, &two_hundred());
    limited.drain(&user("alice"));
    let again = Limited::of(&limited.fleet, limited.process, &two_hundred());
    assert_eq!(again.drain(&user("alice")), 0);
}
