//! GCRA: against `governor`, and its bounds.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::FakeRelativeClock;
use governor::{Quota, RateLimiter};
use proptest::prelude::*;
use weir_quota::cell::{Gcra, Rate, RateError, State, Verdict};
use weir_quota::share::{ShareRecord, WHOLE};

const EPOCH: u64 = 1_800_000_000_000_000_000;

fn rates() -> impl Strategy<Value = Rate> {
    (1_u64..200, 1_u64..100_000, 1_u64..40).prop_map(|(requests, window_us, burst)| {
        Rate::try_new(requests, 1_000_000 + window_us * 1_000, burst).unwrap()
    })
}

/// What may happen to a cell; times in thousandths of the interval.
#[derive(Clone, Debug)]
enum Event {
    Forward(u64),
    Back(u64),
    Check(u64),
    Charge(u64),
    /// Gives back what the last check took.
    Refund,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        6 => (0_u64..4_000).prop_map(Event::Forward),
        1 => (0_u64..60_000).prop_map(Event::Forward),
        1 => (0_u64..4_000).prop_map(Event::Back),
        1 => (0_u64..200_000).prop_map(Event::Back),
        10 => (0_u64..8).prop_map(Event::Check),
        1 => (0_u64..60).prop_map(Event::Charge),
        1 => Just(Event::Refund),
    ];
    prop::collection::vec(event, 1..120)
}

/// A cell that events happen to.
struct Story {
    rate: Rate,
    now: u64,
    state: Option<State>,
    taken: u64,
}

/// What an event means for the bounds.
#[derive(Default)]
struct Effect {
    forward: u64,
    admitted: u64,
    given_back: u64,
}

impl Story {
    fn new(rate: Rate) -> Self {
        Self {
            rate,
            now: EPOCH,
            state: None,
            taken: 0,
        }
    }

    fn tell_all(&mut self, events: &[Event]) {
        for event in events {
            self.tell(event);
        }
    }

    fn tell(&mut self, event: &Event) -> Effect {
        let cell = Gcra::local(&self.rate);
        let time = |thousandths: u64| self.rate.interval_ns() * thousandths / 1_000;
        match *event {
            Event::Forward(wait) => {
                self.now += time(wait);
                return Effect {
                    forward: time(wait),
                    ..Effect::default()
                };
            }
            Event::Back(wait) => self.now -= time(wait),
            Event::Check(cost) => {
                let (verdict, next) = cell.check(self.state, self.now, cost);
                self.state = next.or(self.state);
                self.taken = if verdict.is_allow() { cost } else { 0 };
                return Effect {
                    admitted: self.taken,
                    ..Effect::default()
                };
            }
            Event::Charge(cost) => self.state = Some(cell.charge(self.state, self.now, cost)),
            Event::Refund => {
                let given_back = std::mem::take(&mut self.taken);
                self.state = self.state.map(|state| cell.refund(state, given_back));
                return Effect {
                    given_back,
                    ..Effect::default()
                };
            }
        }
        Effect::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    /// Arrivals, costs, and denials in between: the same answers as governor's, always.
    #[test]
    fn gcra_is_governors(
        rate in rates(),
        arrivals in prop::collection::vec((0_u64..4_000, 1_u32..8), 1..60),
    ) {
        let clock = FakeRelativeClock::default();
        let interval = Duration::from_nanos(rate.interval_ns());
        let burst = NonZeroU32::new(u32::try_from(rate.burst()).unwrap()).unwrap();
        let quota = Quota::with_period(interval).unwrap().allow_burst(burst);
        let oracle = RateLimiter::direct_with_clock(quota, clock.clone());
        let (mut now, mut state) = (EPOCH, None);
        for (permille, cost) in arrivals {
            let wait = rate.interval_ns() * permille / 1_000;
            clock.advance(Duration::from_nanos(wait));
            now += wait;
            let expected = matches!(oracle.check_n(NonZeroU32::new(cost).unwrap()), Ok(Ok(())));
            let (verdict, next) = Gcra::local(&rate).check(state, now, u64::from(cost));
            prop_assert_eq!(verdict.is_allow(), expected);
            state = next.or(state);
        }
    }

}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// In any window, what checks let through less what was given back is at most (the clock's steps forward) · rate +
    /// burst: whatever steps the clock takes back, and whatever is charged after the fact.
    #[test]
    fn no_window_gives_more(rate in rates(), debt: bool, events in events()) {
        let mut story = Story::new(if debt { rate.with_debt() } else { rate });
        // What each window that began at an earlier event still allows, ns.
        let mut windows: Vec<i128> = Vec::new();
        let price = |units: u64| i128::from(units * rate.interval_ns());
        for event in &events {
            windows.push(i128::from(rate.tolerance_ns()));
            let Effect { forward, admitted, given_back } = story.tell(event);
            let change = i128::from(forward) + price(given_back) - price(admitted);
            windows.iter_mut().for_each(|window| *window += change);
            prop_assert!(windows.iter().all(|window| *window >= 0), "{windows:?}");
        }
    }

    /// No lockout: whatever happened, after one bucket's time (two with debt) everything is available again.
    #[test]
    fn patience_is_rewarded(rate in rates(), debt: bool, events in events(), back in 0_u64..1 << 60) {
        let rate = if debt { rate.with_debt() } else { rate };
        let mut story = Story::new(rate);
        story.tell_all(&events);
        story.now -= back;
        story.tell(&Event::Check(1));
        story.now += rate.tolerance_ns() + rate.debt_ns();
        let (verdict, _) = Gcra::local(&rate).check(story.state, story.now, rate.burst());
        prop_assert!(verdict.is_allow());
    }

    /// A denial names the first instant at which the same request passes, and `remaining` is what passes now. So under a
    /// share, as far as whole nanoseconds can tell.
    #[test]
    fn verdicts_say_what_comes(
        rate in rates(),
        share in prop_oneof![Just(WHOLE), 50_000..WHOLE],
        spent in 0_u64..40,
        wait in 0_u64..10_000,
        cost in 1_u64..20,
    ) {
        let record = ShareRecord::first(share, EPOCH, &rate);
        let cell = if share == WHOLE { Gcra::local(&rate) } else { Gcra::shared(&rate, &record) };
        let start = EPOCH + (1 << 55);
        let (_, state) = cell.check(None, start, spent);
        let now = start + rate.interval_ns() * wait / 1_000;
        // Two instants on a slow clock are rounded.
        let slack = 2 * u64::from(WHOLE / share) + 2;
        let (verdict, next) = cell.check(state, now, cost);
        let left = verdict.remaining() + if verdict.is_allow() { cost } else { 0 };
        prop_assert!(left == 0 || cell.check(state, now, left).0.is_allow());
        prop_assert!(!cell.check(state, now, left + 1).0.is_allow());
        if let Verdict::Deny { retry_after_ns: Some(wait), .. } = verdict {
            let fits = rate.interval_ns() * cost * u64::from(WHOLE) / u64::from(share) <= rate.tolerance_ns();
            prop_assert_eq!(cell.check(state, now + wait, cost).0.is_allow(), fits);
            prop_assert!(wait <= slack || !cell.check(state, now + wait - slack, cost).0.is_allow());
        }
        let state = next.or(state);
        let look = |at| cell.check(state, at, 0);
        prop_assert_eq!(look(now).1, None);
        let reset = verdict.reset_ns();
        prop_assert_eq!(look(now + reset).0.reset_ns(), 0);
        prop_assert!(reset <= slack || look(now + reset - slack).0.reset_ns() > 0);
    }

    /// Any bits are a state, and any bytes a record or none.
    #[test]
    fn any_state_is_survived(rate in rates(), expires: u64, word: u64, now: u64, cost: u64, bytes: [u8; 44]) {
        let (state, mut bytes) = (State { expires, word }, bytes);
        (bytes[2], bytes[3], bytes[6], bytes[7]) = (bytes[2] % 16, 0, bytes[6] % 16, 0);
        let record = ShareRecord::parse(&bytes);
        let shared = record.iter().map(|record| Gcra::shared(&rate, record));
        for cell in shared.chain([Gcra::local(&rate)]) {
            cell.check(Some(state), now, cost);
            cell.charge(Some(state), now, cost);
            cell.refund(state, cost);
        }
        if let Some(record) = record {
            prop_assert_eq!(record.to_bytes(), bytes);
            let next = record.grant(7, now, &rate).listed(cost as u32, now, &rate).retired(now, &rate);
            prop_assert_eq!(ShareRecord::parse(&next.to_bytes()), Some(next));
        }
        prop_assert_eq!(ShareRecord::parse(&bytes[1..]), None);
    }

    /// What was just taken and is given back leaves nothing behind, under a share as well.
    #[test]
    fn a_refund_is_the_inverse(
        rate in rates(),
        events in events(),
        cost in 1_u64..40,
        later in 0_u64..100_000,
        share in prop::option::of(50_000..WHOLE),
    ) {
        let mut story = Story::new(rate.with_debt());
        story.tell_all(&events);
        let record = share.map(|share| ShareRecord::first(share, EPOCH - (1 << 55), &story.rate));
        let (cell, before) = match &record {
            Some(record) => (Gcra::shared(&story.rate, record), None),
            None => (Gcra::local(&story.rate), story.state),
        };
        if let (Verdict::Allow { .. }, Some(taken)) = cell.check(before, story.now, cost) {
            let refunded = cell.refund(taken, cost);
            for units in 0..40 {
                let at = story.now + later;
                let expected = cell.check(before, at, units).0;
                prop_assert_eq!(cell.check(Some(refunded), at, units).0, expected);
            }
        }
    }
}

#[test]
fn a_window_never_gives_more_than_was_asked_for() {
    let rate = Rate::try_new(3, 1_000_000_000, 1).unwrap();
    assert_eq!(rate.interval_ns(), 333_333_334);
}

#[test]
fn costs_after_the_fact_are_paid_off() {
    let rate = Rate::try_new(10, 1_000_000_000, 5).unwrap().with_debt();
    let cell = Gcra::local(&rate);
    let state = Some(cell.charge(None, EPOCH, 7));
    // Two units of debt: a look is denied until they are paid.
    let (verdict, store) = cell.check(state, EPOCH, 0);
    assert!(matches!(
        verdict,
        Verdict::Deny {
            remaining: 0,
            retry_after_ns: Some(200_000_000),
            ..
        }
    ));
    assert_eq!(store, None);
    assert!(cell.check(state, EPOCH + 200_000_000, 0).0.is_allow());
    // More than one more burst is forgotten.
    assert_eq!(cell.charge(state, EPOCH, 1_000), cell.charge(None, EPOCH, 10));
    // Without debt a charge empties the bucket, and no more.
    let plain = Rate::try_new(10, 1_000_000_000, 5).unwrap();
    assert_eq!(
        Gcra::local(&plain).charge(None, EPOCH, 7),
        Gcra::local(&plain).charge(None, EPOCH, 5)
    );
}

#[test]
fn what_never_passes_says_so() {
    let rate = Rate::try_new(10, 1_000_000_000, 5).unwrap();
    let none = |verdict| {
        matches!(
            verdict,
            Verdict::Deny {
                retry_after_ns: None,
                ..
            }
        )
    };
    assert!(none(Gcra::local(&rate).check(None, EPOCH, 6).0));
    assert!(none(Gcra::local(&rate).check(None, EPOCH, u64::MAX).0));
    let nothing = ShareRecord::first(0, EPOCH, &rate);
    assert!(none(Gcra::shared(&rate, &nothing).check(None, u64::MAX, 1).0));
    assert!(none(Gcra::shared(&rate, &nothing).check(None, EPOCH, 0).0));
}

#[test]
fn numbers_that_make_no_rate() {
    let ms = 1_000_000;
    assert_eq!(Rate::try_new(0, ms, 1), Err(RateError::Requests(0)));
    assert_eq!(Rate::try_new(1, ms - 1, 1), Err(RateError::Window(ms - 1)));
    assert_eq!(
        Rate::try_new(1_001, ms, 1),
        Err(RateError::TooFast {
            requests: 1_001,
            window_ns: ms
        })
    );
    assert_eq!(Rate::try_new(1, ms, 0), Err(RateError::NoBurst));
    let day = 86_400 * 1_000 * ms;
    let error = Rate::try_new(1, 366 * day, 100).unwrap_err();
    assert_eq!(
        error.to_string(),
        "burst is 100, and a unit comes back every 31622400000000000 ns: expected at most 72 units"
    );
    assert!(Rate::try_new(1, 366 * day, 72).is_ok());
    assert!(Rate::try_new(1_000, ms, 1).is_ok());
}
