//! Shares of a limit in one process: an oracle that lives through every grant, and the bound.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use proptest::prelude::*;
use weir_quota::cell::{Gcra, Rate, State, Verdict};
use weir_quota::share::{MAX_STALE_NS, ShareRecord, WHOLE};

const EPOCH: u64 = 1_800_000_000_000_000_000;
const MS: u64 = 1_000_000;

fn rates() -> impl Strategy<Value = Rate> {
    (1_u64..50, 1_u64..40).prop_map(|(interval_ms, burst)| Rate::try_new(1, interval_ms * MS, burst).unwrap())
}

#[derive(Clone, Debug)]
enum Event {
    Wait(u64),
    Grant(u32),
    Ask {
        key: usize,
        cost: u64,
        stale: bool,
    },
    /// After the fact.
    Charge(u64),
}

fn shares() -> impl Strategy<Value = u32> {
    prop_oneof![1 => Just(0), 1 => Just(WHOLE), 4 => 1..WHOLE, 2 => 1_u32..50_000]
}

fn events(longest_wait: u64) -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        6 => (0..longest_wait).prop_map(Event::Wait),
        2 => shares().prop_map(Event::Grant),
        12 => (0_usize..3, 0_u64..6, any::<bool>()).prop_map(|(key, cost, stale)| Event::Ask { key, cost, stale }),
        1 => (0_u64..60).prop_map(Event::Charge),
    ];
    prop::collection::vec(event, 1..150)
}

/// A token bucket that is told of every grant: tokens are ns · ppm.
#[derive(Clone, Copy)]
struct Tokens(u128);

impl Tokens {
    fn pass(&mut self, ns: u64, share: u32, rate: &Rate) {
        self.0 += u128::from(ns) * u128::from(share);
        self.cap(share, rate);
    }

    /// A share counts from the moment when every worker has heard of it; the size of the bucket at once.
    fn pass_after(&mut self, ns: u64, since_grant: u64, shares: (u32, u32), rate: &Rate) {
        let at_first = ns.min(MAX_STALE_NS.saturating_sub(since_grant));
        self.0 += u128::from(at_first) * u128::from(shares.0);
        self.pass(ns - at_first, shares.1, rate);
    }

    fn cap(&mut self, share: u32, rate: &Rate) {
        self.0 = self.0.min(u128::from(rate.tolerance_ns()) * u128::from(share));
    }

    fn take(&mut self, cost: u64, rate: &Rate) -> bool {
        let price = u128::from(cost * rate.interval_ns()) * u128::from(WHOLE);
        let enough = price <= self.0;
        self.0 -= if enough { price } else { 0 };
        enough
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(800))]

    /// One record and entries of any age give the answers of buckets that live through every grant.
    #[test]
    fn an_entry_of_any_age_is_exact(rate in rates(), first in shares(), events in events(400)) {
        let (mut now, mut record) = (EPOCH, ShareRecord::first(first, EPOCH, &rate));
        let mut states: [Option<State>; 3] = [None; 3];
        let mut oracle = [Tokens(0); 3];
        let mut shares = (first, first);
        for event in events {
            match event {
                Event::Wait(ms) => {
                    let since = now - record.granted_at();
                    oracle.iter_mut().for_each(|tokens| tokens.pass_after(ms * MS, since, shares, &rate));
                    now += ms * MS;
                }
                Event::Grant(share) => {
                    if now >= record.granted_at() + MAX_STALE_NS {
                        shares.0 = shares.1;
                    }
                    shares.1 = share;
                    record = record.grant(share, now, &rate);
                    record = ShareRecord::parse(&record.to_bytes()).unwrap();
                    oracle.iter_mut().for_each(|tokens| tokens.cap(share, &rate));
                }
                Event::Ask { key, cost, .. } => {
                    let (verdict, next) = Gcra::shared(&rate, &record).check(states[key], now, cost);
                    states[key] = next.or(states[key]);
                    let expected = record.share() > 0 && oracle[key].take(cost, &rate);
                    prop_assert_eq!(verdict.is_allow(), expected);
                    let left = oracle[key].0 / u128::from(WHOLE) / u128::from(rate.interval_ns());
                    prop_assert_eq!(u128::from(verdict.remaining()), left);
                }
                Event::Charge(_) => {}
            }
        }
    }

    /// In any window what passes is at most ∫ f · rate + burst · f at its start, f the largest share in use: workers may
    /// go on with the record before for a while.
    #[test]
    fn no_grant_mints_a_unit(
        rate in rates(),
        first in shares(),
        events in events(120),
        jitter in 0_u64..MS,
        debt: bool,
    ) {
        let rate = if debt { rate.with_debt() } else { rate };
        let mut now = EPOCH;
        let mut records = (ShareRecord::first(first, now, &rate), ShareRecord::first(0, now, &rate));
        let mut state = None;
        // What is still allowed in each window that began at an earlier event, ns · ppm.
        let mut windows: Vec<i128> = Vec::new();
        let scale = |ns: u64, share: u32| i128::from(ns) * i128::from(share);
        for event in events {
            let (current, before) = &records;
            let stale_until = current.granted_at() + MAX_STALE_NS;
            let largest = |at: u64| if at < stale_until { current.share().max(before.share()) } else { current.share() };
            windows.push(scale(rate.tolerance_ns(), largest(now)));
            match event {
                Event::Wait(ms) => {
                    let end = now + ms * MS + jitter;
                    let stale = stale_until.clamp(now, end);
                    let grown = scale(stale - now, largest(now)) + scale(end - stale, current.share());
                    windows.iter_mut().for_each(|window| *window += grown);
                    now = end;
                }
                // Whoever is two records behind has stopped.
                Event::Grant(share) if now >= stale_until => records = (current.grant(share, now, &rate), *current),
                Event::Grant(_) => {}
                Event::Ask { cost, stale, .. } => {
                    let record = if stale && now < stale_until { before } else { current };
                    let (verdict, next) = Gcra::shared(&rate, record).check(state, now, cost);
                    state = next.or(state);
                    if verdict.is_allow() {
                        let price = scale(cost * rate.interval_ns(), WHOLE);
                        windows.iter_mut().for_each(|window| *window -= price);
                    }
                }
                Event::Charge(cost) => state = Some(Gcra::shared(&rate, current).charge(state, now, cost)),
            }
            prop_assert!(windows.iter().all(|window| *window >= 0), "{windows:?}");
        }
    }
}

#[test]
fn a_first_share_starts_empty() {
    let rate = Rate::try_new(10, 1_000 * MS, 10).unwrap();
    let record = ShareRecord::first(WHOLE / 2, EPOCH, &rate);
    let (verdict, _) = Gcra::shared(&rate, &record).check(None, EPOCH, 1);
    assert!(matches!(
        verdict,
        Verdict::Deny {
            remaining: 0,
            retry_after_ns: Some(200_000_000),
            ..
        }
    ));
}

/// A key that gets a share of its own keeps what it has; back at the limit's share it starts empty, unless it was full.
#[test]
fn a_key_comes_and_goes() {
    let rate = Rate::try_new(10, 1_000 * MS, 10).unwrap();
    let second = |seconds: u64| EPOCH + seconds * 1_000 * MS;
    let base = ShareRecord::first(WHOLE / 2, EPOCH, &rate);
    let (verdict, state) = Gcra::shared(&rate, &base).check(None, second(10), 2);
    assert_eq!(verdict.remaining(), 3);
    let key = base.listed(WHOLE, second(10), &rate);
    let look = |record, state, at| Gcra::shared(&rate, record).check(state, at, 0).0.remaining();
    assert_eq!(look(&key, state, second(10)), 3);
    let (_, state) = Gcra::shared(&rate, &key).check(state, second(10), 1);
    // A worker that has not heard of it yet reads what the others write.
    assert_eq!(look(&base, state, second(10)), 2);
    assert_eq!(look(&key, state, second(11)), 10);
    let (_, state) = Gcra::shared(&rate, &key).check(state, second(12), 1);
    let retired = base.retired(second(12), &rate);
    assert_eq!(look(&retired, state, second(12)), 0);
    assert_eq!(look(&base, state, second(12)), 0);
    assert_eq!(look(&base, state, second(20)), 5);
    // A key whose clock was slower has no more on the limit's either.
    let slow = base.listed(WHOLE / 10, second(10), &rate);
    let (verdict, spent) = Gcra::shared(&rate, &slow).check(None, second(20), 1);
    assert!(verdict.is_allow());
    assert_eq!(look(&base, spent, second(20)), 0);
    // A worker that has not heard of that does not take the new bucket for its own.
    let (_, state) = Gcra::shared(&rate, &retired).check(state, second(12), 1);
    assert_eq!(look(&key, state, second(12) + 50 * MS), 0);
}

/// A debt that a smaller share could not have made is not forgiven by the next charge.
#[test]
fn a_charge_never_gives_back() {
    let rate = Rate::try_new(10, 1_000 * MS, 10).unwrap().with_debt();
    let record = ShareRecord::first(WHOLE, EPOCH, &rate);
    let now = EPOCH + 10_000 * MS;
    let indebted = Some(Gcra::shared(&rate, &record).charge(None, now, 20));
    let smaller = record.grant(WHOLE / 10, now, &rate);
    let cell = Gcra::shared(&rate, &smaller);
    let charged = Some(cell.charge(indebted, now, 1));
    assert_eq!(cell.check(charged, now, 0), cell.check(indebted, now, 0));
}

/// The clock steps back behind the grant: no time passes, then a grant of the same share sets it going.
#[test]
fn a_step_back_waits_for_a_grant() {
    let rate = Rate::try_new(10, 1_000 * MS, 10).unwrap();
    let record = ShareRecord::first(WHOLE / 2, EPOCH, &rate);
    let past = EPOCH - 3_600_000 * MS;
    let cell = |record, at| Gcra::shared(&rate, record).check(None, at, 0).0.remaining();
    assert_eq!(cell(&record, past + 1_000 * MS), 0);
    let again = record.grant(WHOLE / 2, past, &rate);
    assert_eq!(cell(&again, past), 0);
    assert_eq!(cell(&again, past + 1_000 * MS), 5);
}

/// Entries may be dropped at `expires` although the share has grown once since: they are full by then.
#[test]
fn an_expired_entry_says_no_more_than_none() {
    let rate = Rate::try_new(10, 1_000 * MS, 10).unwrap();
    for (before, after) in [
        (WHOLE / 10, WHOLE),
        (WHOLE / 2, WHOLE / 2),
        (WHOLE, WHOLE / 3),
        (WHOLE / 3, WHOLE / 2),
    ] {
        let (start, record) = (EPOCH + 60_000 * MS, ShareRecord::first(before, EPOCH, &rate));
        let (_, state) = Gcra::shared(&rate, &record).check(None, start, 1);
        for wait in (0..3_000).step_by(50) {
            let grown = record.grant(after, start + wait * MS, &rate);
            let expires = state.unwrap().expires.max(start + wait * MS);
            let look = |state| Gcra::shared(&rate, &grown).check(state, expires, 0).0;
            assert_eq!(look(state).remaining(), look(None).remaining());
        }
    }
}

/// Nothing comes back under share 0; what is remembered goes all the same.
#[test]
fn an_entry_expires_under_share_0() {
    let rate = Rate::try_new(10, 1_000 * MS, 10).unwrap().with_debt();
    let record = ShareRecord::first(WHOLE, EPOCH, &rate);
    let indebted = Gcra::shared(&rate, &record).charge(None, EPOCH, 5);
    let nothing = record.grant(0, EPOCH, &rate);
    let state = Gcra::shared(&rate, &nothing).charge(Some(indebted), EPOCH, 1);
    let three_buckets = EPOCH + 3 * rate.tolerance_ns();
    assert!(
        state.expires <= three_buckets + (1 << 24),
        "{}",
        state.expires - EPOCH
    );
}
