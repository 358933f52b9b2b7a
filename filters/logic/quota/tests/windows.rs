//! The two-counter cells: what they never let through, how far off they are, and what a denial says.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use proptest::prelude::*;
use weir_quota::cell::{Concurrency, SlidingWindow, State, Verdict, WindowError};

const EPOCH: u64 = 1_800_000_000_000_000_000;
const WINDOW: u64 = 10_000_000;

#[derive(Clone, Debug)]
enum Event {
    Forward(u64),
    Back(u64),
    Check(u64),
    Refund,
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        6 => (0..WINDOW / 3).prop_map(Event::Forward),
        1 => (0..WINDOW * 4).prop_map(Event::Forward),
        1 => (0..WINDOW * 3).prop_map(Event::Back),
        10 => (0_u64..8).prop_map(Event::Check),
        1 => Just(Event::Refund),
    ];
    prop::collection::vec(event, 1..150)
}

fn only_forward(events: &[Event]) -> impl Iterator<Item = &Event> {
    events
        .iter()
        .filter(|event| matches!(event, Event::Forward(_) | Event::Check(_)))
}

/// Units that passed, with when.
fn passed(log: &[(u64, u64)], from: u64, until: u64) -> u64 {
    log.iter()
        .filter(|(at, _)| (from..until).contains(at))
        .map(|(_, cost)| cost)
        .sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// At most the limit in any fixed window, at most twice the limit in any other, and the estimate as far off as its
    /// documentation says.
    #[test]
    fn a_sliding_window_keeps_its_error(limit in 1_u32..40, events in events()) {
        let cell = SlidingWindow::try_new(limit, WINDOW).unwrap();
        let (mut now, mut state, mut log) = (EPOCH, None, Vec::new());
        for event in only_forward(&events) {
            match *event {
                Event::Forward(wait) => now += wait,
                Event::Check(cost) => {
                    let start = now - now % WINDOW;
                    let previous = passed(&log, start - WINDOW, start) as f64;
                    let exact = passed(&log, (now + 1).saturating_sub(WINDOW), now + 1) as f64;
                    let (verdict, next) = cell.check(state, now, cost);
                    let estimate = if verdict.is_allow() { cost } else { 0 };
                    let estimate = f64::from(limit) - verdict.remaining() as f64 - estimate as f64;
                    let done = (now % WINDOW) as f64 / WINDOW as f64;
                    prop_assert!(estimate >= exact - previous * done - 1e-6, "{estimate} {exact}");
                    prop_assert!(estimate <= exact + previous * (1.0 - done) + 1.0 + 1e-6, "{estimate} {exact}");
                    state = next.or(state);
                    if verdict.is_allow() {
                        log.push((now, cost));
                    }
                }
                _ => unreachable!(),
            }
        }
        for (at, _) in &log {
            let fixed = at - at % WINDOW;
            prop_assert!(passed(&log, fixed, fixed + WINDOW) <= u64::from(limit));
            prop_assert!(passed(&log, *at, at + WINDOW) <= 2 * u64::from(limit));
        }
    }

    /// A step back of the clock frees nothing: right after it no more is left than right before.
    #[test]
    fn a_step_back_frees_nothing(limit in 1_u32..40, events in events(), back in 0..WINDOW * 4) {
        let cell = SlidingWindow::try_new(limit, WINDOW).unwrap();
        let (mut now, mut state, mut taken) = (EPOCH, None, 0);
        for event in &events {
            match *event {
                Event::Forward(wait) => now += wait,
                Event::Back(wait) => now -= wait,
                Event::Check(cost) => {
                    let (verdict, next) = cell.check(state, now, cost);
                    taken = if verdict.is_allow() { cost } else { 0 };
                    state = next.or(state);
                }
                Event::Refund => state = state.map(|state| cell.refund(state, std::mem::take(&mut taken))),
            }
        }
        let (before, _) = cell.check(state, now, 0);
        let (after, _) = cell.check(state, now - back, 0);
        prop_assert!(after.remaining() <= before.remaining());
        // Nor does it lock out for longer than two windows.
        let state = Some(cell.charge(state, now - back, 0));
        prop_assert!(cell.check(state, now - back + 2 * WINDOW, u64::from(limit)).0.is_allow());
    }

    /// A denial names the first instant at which the same request passes; what was given back is as if never taken.
    #[test]
    fn a_window_says_what_comes(limit in 1_u32..40, counts in prop::array::uniform2(0_u64..60), at in 0..WINDOW, cost in 1_u64..50) {
        let cell = SlidingWindow::try_new(limit, WINDOW).unwrap();
        let start = EPOCH - EPOCH % WINDOW;
        let state = Some(cell.charge(None, start - 1, counts[0]));
        let now = start + at;
        let (verdict, next) = cell.check(state, now, counts[1]);
        if verdict.is_allow() && let Some(next) = next {
            let refunded = cell.refund(next, counts[1]);
            prop_assert_eq!(cell.check(Some(refunded), now, cost).0, cell.check(state, now, cost).0);
        }
        let last = cell.charge(state, now, counts[1]);
        let state = Some(last);
        match cell.check(state, now, cost).0 {
            Verdict::Deny { retry_after_ns: None, .. } => prop_assert!(cost > u64::from(limit)),
            Verdict::Deny { retry_after_ns: Some(wait), .. } => {
                prop_assert!(!cell.check(state, now + wait - 1, cost).0.is_allow());
                prop_assert!(cell.check(state, now + wait, cost).0.is_allow());
            }
            Verdict::Allow { .. } => {}
        }
        prop_assert_eq!(cell.check(state, last.expires, 0).0.remaining(), u64::from(limit));
    }

    /// Requests that end in time: never more than the limit run, and when all have ended nothing is left. Those whose end
    /// is never told are forgotten after twice the duration, and count for the duration at least.
    #[test]
    fn requests_in_flight(
        limit in 1_u32..10,
        arrivals in prop::collection::vec((0..WINDOW / 2, prop_oneof![9 => (1..WINDOW).prop_map(Some), 1 => Just(None)]), 1..80),
    ) {
        let cell = Concurrency::try_new(limit, WINDOW).unwrap();
        let (mut now, mut state) = (EPOCH, None);
        let mut running: Vec<(u64, u64)> = Vec::new();
        let mut lost: Vec<u64> = Vec::new();
        for (wait, duration) in arrivals {
            now += wait;
            running.sort_unstable();
            for (end, begun) in running.extract_if(.., |(end, _)| *end <= now) {
                state = cell.end(state, begun, end);
            }
            let (verdict, next) = cell.begin(state, now);
            state = next.or(state);
            let certain = lost.iter().filter(|begun| now < *begun + WINDOW).count() + running.len();
            let possible = lost.iter().filter(|begun| now < *begun + 2 * WINDOW).count() + running.len();
            prop_assert!(certain < limit as usize || !verdict.is_allow());
            prop_assert!(possible >= limit as usize || verdict.is_allow());
            match duration {
                _ if !verdict.is_allow() => {}
                Some(duration) => running.push((now + duration, now)),
                None => lost.push(now),
            }
        }
        running.sort_unstable();
        for (end, begun) in running {
            now = end;
            state = cell.end(state, begun, end);
        }
        if lost.is_empty() {
            prop_assert_eq!(state, None);
        }
        let (verdict, _) = cell.begin(state, now + 2 * WINDOW);
        prop_assert_eq!(verdict.remaining(), u64::from(limit) - 1);
    }

    /// Any bits are a state.
    #[test]
    fn any_state_is_survived(expires: u64, word: u64, now: u64, cost: u64) {
        let state = State { expires, word };
        let (window, flight) = (SlidingWindow::try_new(5, WINDOW).unwrap(), Concurrency::try_new(5, WINDOW).unwrap());
        window.check(Some(state), now, cost);
        window.charge(Some(state), now, cost);
        window.refund(state, cost);
        flight.begin(Some(state), now);
        flight.end(Some(state), cost, now);
    }
}

#[test]
fn a_dead_workers_requests_are_forgotten() {
    let cell = Concurrency::try_new(1, WINDOW).unwrap();
    let (_, state) = cell.begin(None, EPOCH);
    let (verdict, none) = cell.begin(state, EPOCH + WINDOW);
    assert!(matches!(
        verdict,
        Verdict::Deny {
            remaining: 0,
            retry_after_ns: None,
            ..
        }
    ));
    assert_eq!(none, None);
    assert!(cell.begin(state, EPOCH + 2 * WINDOW).0.is_allow());
    // A clock that steps back far keeps the count, and does not keep it for long.
    let past = EPOCH - 100 * WINDOW;
    assert!(!cell.begin(state, past).0.is_allow());
    let state = cell.end(state, EPOCH, past);
    assert_eq!(state, None);
}

#[test]
fn numbers_that_make_no_window() {
    assert_eq!(SlidingWindow::try_new(0, WINDOW), Err(WindowError::NoLimit));
    assert_eq!(Concurrency::try_new(0, WINDOW), Err(WindowError::NoLimit));
    let error = Concurrency::try_new(1, 999_999).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the window is 999999 ns: expected 1000000 (1 ms) to 31622400000000000 (366 days)"
    );
}

/// The window turned between taking and giving back: another request wrote the state in the meantime.
#[test]
fn a_refund_reaches_the_window_before() {
    let cell = SlidingWindow::try_new(10, WINDOW).unwrap();
    let start = EPOCH - EPOCH % WINDOW;
    let (_, state) = cell.check(None, start, 6);
    let (_, state) = cell.check(state, start + WINDOW, 1);
    let state = cell.refund(state.unwrap(), 6);
    assert_eq!(cell.check(Some(state), start + WINDOW, 0).0.remaining(), 9);
}
