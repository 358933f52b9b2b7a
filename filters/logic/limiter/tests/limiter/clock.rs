//! Workers whose time is old, and a clock that steps back: the former take nothing that others charged for the doing of
//! the latter.

use serde_json::{Value, json};

use crate::fixture::{NOW, Request, SECOND, Slot, merged, rate};

/// Five at once of each kind of quota, and a cost that may be another in the end.
fn kinds() -> [Value; 3] {
    let cost = json!({"cost": {"responseHeader": {"name": "x-cost", "max": 9}}});
    [
        merged(json!({"quota": rate(5, 1_000)}), &cost),
        merged(
            json!({"quota": {"slidingWindow": {"requests": 5, "windowMs": 1_000}}}),
            &cost,
        ),
        json!({"quota": {"concurrency": {"requests": 5, "windowMs": 1_000}}}),
    ]
}

/// How many of six requests pass at `now`.
fn passing(slot: &Slot, now: u64) -> usize {
    (0..6).filter(|_| slot.passes(&Request::new(), now)).count()
}

#[test]
fn what_others_charged_since_a_worker_read_its_time_stays_charged() {
    for kind in kinds() {
        for delay in [1, SECOND / 2, SECOND, 3 * SECOND] {
            let slot = Slot::of(&kind);
            let later = NOW + delay;
            assert_eq!(passing(&slot, later), 5, "{kind}");
            let buckets = slot.world.buckets();
            slot.world.set_clock(later);
            assert_eq!(passing(&slot, NOW), 0, "{kind}, {delay} ns old");
            assert_eq!(slot.world.buckets(), buckets, "{kind}, {delay} ns old");
        }
    }
}

#[test]
fn a_clock_that_stepped_back_locks_out_for_no_longer_than_usual() {
    for kind in kinds() {
        let slot = Slot::of(&kind);
        assert_eq!(passing(&slot, NOW), 5, "{kind}");
        let before = NOW - 3_600 * SECOND;
        slot.world.set_clock(before);
        assert_eq!(passing(&slot, before), 0, "{kind}");
        assert_eq!(passing(&slot, before + 2 * SECOND), 5, "{kind}");
    }
}

#[test]
fn a_late_charge_with_an_old_time_adds_to_what_others_charged() {
    for kind in &kinds()[..2] {
        let slot = Slot::of(kind);
        let pending = slot.passed(&Request::new(), NOW).pending;
        let later = NOW + 3 * SECOND;
        assert_eq!(passing(&slot, later), 5, "{kind}");
        slot.world.set_clock(later);
        slot.limiter
            .on_response(&pending[0], b"6", &slot.board, &slot.world, NOW)
            .unwrap();
        assert_eq!(passing(&slot, later + SECOND), 0, "{kind}");
    }
}

#[test]
fn a_request_that_ends_with_an_old_time_ends_once() {
    let slot = Slot::of(&kinds()[2]);
    let pending = slot.passed(&Request::new(), NOW).pending;
    let later = NOW + SECOND;
    assert_eq!(passing(&slot, later), 4);
    slot.world.set_clock(later);
    slot.limiter.on_end(&pending[0], &slot.world, NOW).unwrap();
    // The other four are under way still, and are counted for the whole next period too.
    assert_eq!(passing(&slot, later + SECOND), 1);
}
