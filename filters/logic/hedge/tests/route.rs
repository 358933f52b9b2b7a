//! Routes: several workers over shared values, and what they decide.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::cell::{Cell, RefCell};

use proptest::prelude::*;
use weir_hedge::budget::{Budget, Escrow, Occasion, Purse};
use weir_hedge::overload::{OverloadPolicy, Signal};
use weir_hedge::policy::Policy;
use weir_hedge::route::{Decision, Denied, Outcome, Response, Route};
use weir_hedge::shared::{SharedError, SharedValue};

const EPOCH: u64 = 1_800_000_000_000_000_000;
const SECOND: u64 = 1_000_000_000;
const MILLI: u64 = 1_000_000;

/// A value of shared data, of which the next stores may be refused.
#[derive(Default)]
struct Value {
    content: RefCell<Option<(Vec<u8>, u32)>>,
    refuses: Cell<u32>,
}

impl SharedValue for Value {
    fn load(&self) -> Result<Option<(Vec<u8>, u32)>, SharedError> {
        Ok(self.content.borrow().clone())
    }

    fn store(&self, bytes: &[u8], expected: Option<u32>) -> Result<(), SharedError> {
        let mut content = self.content.borrow_mut();
        assert_eq!(content.as_ref().map(|(_, version)| *version), expected);
        if self.refuses.get() > 0 {
            self.refuses.set(self.refuses.get() - 1);
            return Err(SharedError::Busy);
        }
        *content = Some((bytes.to_vec(), expected.map_or(1, |version| version + 1)));
        Ok(())
    }
}

/// Workers of one process.
struct World {
    now: u64,
    record: Value,
    routes: Vec<Route>,
}

impl World {
    fn new(policy: Policy, workers: usize) -> Self {
        Self {
            now: EPOCH,
            record: Value::default(),
            routes: (0..workers).map(|_| Route::new(policy)).collect(),
        }
    }

    fn sync(&mut self) {
        for route in &mut self.routes {
            route.sync(&self.record, self.now).unwrap();
        }
    }

    /// A tenth of a second: each worker gets these responses, then it may settle.
    fn tenth(&mut self, responses: &[Response]) {
        for route in &mut self.routes {
            responses
                .iter()
                .for_each(|response| route.on_response(response, self.now));
        }
        self.now += SECOND / 10;
        self.sync();
    }

    fn seconds(&mut self, seconds: u64, responses: &[Response]) {
        (0..seconds * 10).for_each(|_| self.tenth(responses));
    }

    fn delay(&self, worker: usize) -> Result<u32, Denied> {
        self.routes[worker].delay_ms(None, self.now)
    }
}

fn answered(ms: u64) -> Response {
    Response {
        took_ns: ms * MILLI,
        ..Response::default()
    }
}

fn failed() -> Response {
    Response {
        outcome: Outcome::Failed,
        ..answered(1)
    }
}

/// Answers after 1 to 100 times as long as `times` milliseconds.
fn even(times: u64) -> Vec<Response> {
    (1..=100).map(|ms| answered(ms * times)).collect()
}

/// Within 1.6 %, and rounded up to whole milliseconds.
fn is_about(found: Result<u32, Denied>, wanted: u32) -> bool {
    found.is_ok_and(|found| found.abs_diff(wanted) <= wanted / 60 + 1)
}

#[test]
fn the_delay_is_the_quantile_once_there_are_samples() {
    let mut world = World::new(Policy::default(), 3);
    world.sync();
    assert_eq!(world.delay(0), Err(Denied::Cold));
    world.seconds(1, &even(1));
    assert!(is_about(world.delay(0), 98), "{:?}", world.delay(0));
    world.seconds(30, &even(1));
    assert!(is_about(world.delay(0), 98), "{:?}", world.delay(0));
    let policy = Policy {
        cold_delay_ms: Some(40),
        ..Policy::default()
    };
    let mut world = World::new(policy, 1);
    world.sync();
    assert_eq!(world.delay(0), Ok(40));
    world.seconds(1, &even(1));
    assert!(is_about(world.delay(0), 98), "{:?}", world.delay(0));
}

#[test]
fn a_route_with_few_requests_is_cold_for_longer() {
    let mut world = World::new(Policy::default(), 1);
    for second in 0..96 {
        world.tenth(&[answered(5)]);
        world.now += SECOND;
        world.sync();
        assert_eq!(world.delay(0).is_ok(), second >= 99, "{second}");
    }
    for _ in 0..60 {
        world.tenth(&[answered(5)]);
        world.now += SECOND;
        world.sync();
    }
    assert_eq!(world.delay(0), Ok(6));
}

#[test]
fn the_delay_has_bounds() {
    let policy = Policy {
        min_delay_ms: 20,
        max_delay_ms: 50,
        ..Policy::default()
    };
    let delay = |responses: &[Response]| {
        let mut world = World::new(policy, 1);
        world.seconds(2, responses);
        world.delay(0)
    };
    assert_eq!(delay(&[answered(1); 60]), Ok(20));
    assert_eq!(delay(&[answered(900); 60]), Ok(50));
    let unbounded = Policy {
        max_delay_ms: u32::MAX,
        ..Policy::default()
    };
    let mut world = World::new(unbounded, 1);
    world.seconds(2, &[answered(66_000); 60]);
    assert_eq!(world.delay(0), Ok(60_000));
}

#[test]
fn who_is_slow_for_two_minutes_changes_nothing_and_who_stays_slow_is_usual() {
    let mut world = World::new(Policy::default(), 2);
    world.seconds(320, &even(1));
    // A quarter takes four times as long.
    let slow: Vec<_> = (1..=100)
        .map(|ms| answered(if ms % 4 == 0 { 400 } else { ms }))
        .collect();
    world.seconds(120, &slow);
    assert!(is_about(world.delay(1), 98), "{:?}", world.delay(1));
    world.seconds(60, &slow);
    assert!(is_about(world.delay(1), 400), "{:?}", world.delay(1));
}

/// All that are slow are hedged, and the hedge answers 10 ms later: the service's times can't be seen.
fn hedged(ms: u64, delay_ms: u32) -> Response {
    if ms <= u64::from(delay_ms) {
        return answered(ms);
    }
    Response {
        hedged_after_ms: Some(delay_ms),
        ..answered(ms.min(u64::from(delay_ms) + 10))
    }
}

#[test]
fn hedges_do_not_move_the_delay_that_made_them_leave() {
    let mut world = World::new(Policy::default(), 1);
    world.seconds(320, &even(1));
    for _ in 0..120 {
        let delay = world.delay(0).unwrap();
        let responses: Vec<_> = (1..=100).map(|ms| hedged(ms * 3 / 2, delay)).collect();
        world.seconds(10, &responses);
    }
    // The service has become slower by half. A third of its times can't be seen; the delay follows all the same, by what a hedge
    // takes in half of what is usual.
    assert!(is_about(world.delay(0), 147), "{:?}", world.delay(0));
    for _ in 0..60 {
        let delay = world.delay(0).unwrap();
        let responses: Vec<_> = (1..=100).map(|ms| hedged(ms, delay)).collect();
        world.seconds(10, &responses);
    }
    assert!(is_about(world.delay(0), 98), "{:?}", world.delay(0));
}

#[test]
fn steps_of_the_clock_back_are_no_time() {
    let mut world = World::new(Policy::default(), 1);
    world.seconds(320, &even(1));
    let slow = even(2);
    let quantile = |world: &World| world.routes[0].view().quantile_ns.unwrap() / MILLI;
    // Sixteen panes of thirty make a change usual. Fourteen are over; if the steps were time, it would be more.
    for _ in 0..35 {
        world.seconds(3, &slow);
        world.now -= 100 * SECOND;
        world.seconds(1, &slow);
    }
    assert!(quantile(&world).abs_diff(98) <= 3);
    world.seconds(40, &slow);
    assert!(quantile(&world).abs_diff(196) <= 5);
}

#[test]
fn another_policy_is_in_force_at_once() {
    let mut world = World::new(Policy::default(), 1);
    world.seconds(30, &even(1));
    let bounds = |min_delay_ms, max_delay_ms| Policy {
        min_delay_ms,
        max_delay_ms,
        cold_delay_ms: Some(7),
        ..Policy::default()
    };
    for (least, most, expected) in [(200, 300, 200), (1, 30, 30), (40, 40, 40)] {
        world.routes[0].follow(&bounds(least, most));
        assert_eq!(world.delay(0), Ok(expected));
        world.seconds(1, &even(1));
        assert_eq!(world.delay(0), Ok(expected));
    }
    world.routes[0].follow(&Policy::default());
    assert!(is_about(world.delay(0), 98), "{:?}", world.delay(0));
    let mut cold = World::new(Policy::default(), 1);
    cold.sync();
    cold.routes[0].follow(&bounds(1, 30));
    assert_eq!(cold.delay(0), Ok(7));
}

#[test]
fn errors_are_overload_until_they_are_half_as_many() {
    for outcome in [Outcome::Failed, Outcome::TimedOut] {
        errors_of(outcome);
    }
}

fn errors_of(outcome: Outcome) {
    let mut world = World::new(Policy::default(), 2);
    let error = Response {
        outcome,
        ..answered(1)
    };
    let errors = |percent: usize| [vec![error; percent], vec![answered(5); 100 - percent]].concat();
    let overloaded = Err(Denied::Overload(Signal::Errors));
    world.seconds(3, &errors(19));
    assert!(world.delay(1).is_ok());
    world.seconds(3, &errors(21));
    assert_eq!(world.delay(1), overloaded);
    world.seconds(3, &errors(11));
    assert_eq!(world.delay(1), overloaded);
    world.seconds(3, &errors(9));
    assert!(world.delay(1).is_ok());
}

#[test]
fn half_of_the_answers_slow_is_overload_and_a_quarter_is_not() {
    let mut world = World::new(Policy::default(), 2);
    let slow = |percent: usize, ms| [vec![answered(ms); percent], vec![answered(10); 100 - percent]].concat();
    let overloaded = Err(Denied::Overload(Signal::Latency));
    world.seconds(30, &slow(0, 0));
    world.seconds(3, &slow(40, 100));
    assert!(world.delay(0).is_ok());
    world.seconds(3, &slow(60, 19));
    assert!(world.delay(0).is_ok());
    world.seconds(3, &slow(60, 22));
    assert_eq!(world.delay(0), overloaded);
    world.seconds(3, &slow(60, 16));
    assert_eq!(world.delay(0), overloaded);
    world.seconds(3, &slow(60, 14));
    assert!(world.delay(0).is_ok());
}

#[test]
fn answers_that_are_few_are_no_overload() {
    let mut world = World::new(Policy::default(), 1);
    world.seconds(30, &[answered(5); 10]);
    for _ in 0..10 {
        world.now += SECOND;
        world.routes[0].on_response(&failed(), world.now);
        world.sync();
        assert!(world.delay(0).is_ok());
    }
    // Nor is half a millisecond more.
    let mut world = World::new(Policy::default(), 1);
    let quick = |us: u64| Response {
        took_ns: us * 1_000,
        ..Response::default()
    };
    world.seconds(30, &[quick(100); 10]);
    world.seconds(3, &[quick(600); 10]);
    assert!(world.delay(0).is_ok());
}

#[test]
fn a_service_that_says_later_is_left_alone() {
    let mut world = World::new(Policy::default(), 2);
    world.seconds(30, &even(1));
    let later = |seconds: u64| Response {
        pushback_ms: Some(seconds * 1_000),
        ..failed()
    };
    let pushed = Err(Denied::Overload(Signal::Pushback));
    world.now += SECOND / 10;
    world.routes[0].on_response(&later(10), world.now);
    let said = world.now;
    assert_eq!(world.delay(0), pushed);
    assert!(world.delay(1).is_ok());
    // The worker tells it at its next request; the other one hears of it when it settles.
    world.sync();
    world.now += SECOND / 2;
    world.sync();
    assert_eq!(world.delay(1), pushed);
    world.now = said + 10 * SECOND - MILLI;
    assert_eq!(world.delay(0), pushed);
    assert_eq!(world.delay(1), pushed);
    world.now = said + 10 * SECOND + SECOND;
    assert!(world.delay(0).is_ok() && world.delay(1).is_ok());
    // No longer than a minute, whatever it says.
    world.routes[0].on_response(&later(u64::MAX / 1_000), world.now);
    let longest = u64::from(OverloadPolicy::default().max_pushback_ms);
    world.now += longest * MILLI - 1;
    assert_eq!(world.delay(0), pushed);
    world.now += 1;
    assert!(world.delay(0).is_ok());
}

fn armed(decision: Decision) -> (u32, Escrow) {
    match decision {
        Decision::Arm { delay_ms, escrow } => (delay_ms, escrow),
        Decision::Deny(denied) => panic!("{denied:?}"),
    }
}

#[test]
fn a_request_is_armed_for_a_token_and_denied_for_a_reason() {
    let policy = Policy {
        cold_delay_ms: Some(50),
        ..Policy::default()
    };
    let (ledger, mut purse) = (Value::default(), Purse::new(Budget::new(0, 1), 1));
    let mut world = World::new(policy, 1);
    world.sync();
    let ask = |world: &World, purse: &mut Purse, timeout_ms| {
        purse.sync(&ledger, Occasion::Request, world.now).unwrap();
        world.routes[0].on_request(purse, timeout_ms, world.now)
    };
    assert_eq!(ask(&world, &mut purse, None), Decision::Deny(Denied::Budget));
    world.now += 2 * SECOND;
    assert_eq!(ask(&world, &mut purse, Some(50)), Decision::Deny(Denied::Timeout));
    let (delay_ms, escrow) = armed(ask(&world, &mut purse, Some(51)));
    assert_eq!(delay_ms, 50);
    assert_eq!(ask(&world, &mut purse, None), Decision::Deny(Denied::Budget));
    purse.release(escrow, false);
    let (_, escrow) = armed(ask(&world, &mut purse, None));
    purse.release(escrow, true);
    assert_eq!(ask(&world, &mut purse, None), Decision::Deny(Denied::Budget));
    let labels = [
        Denied::Cold,
        Denied::Overload(Signal::Errors),
        Denied::Timeout,
        Denied::Budget,
    ];
    assert_eq!(
        labels.map(Denied::label),
        ["cold", "overload", "timeout", "budget"]
    );
}

#[test]
fn who_loses_a_race_tries_again_and_forgets_nothing() {
    let mut world = World::new(Policy::default(), 1);
    let route = &mut world.routes[0];
    even(1)
        .iter()
        .for_each(|response| route.on_response(response, EPOCH));
    world.record.refuses.set(100);
    assert_eq!(route.sync(&world.record, EPOCH), Err(SharedError::Busy));
    assert_eq!(world.record.refuses.get(), 92);
    // Not with every request.
    assert!(!route.is_due(EPOCH + SECOND / 10));
    world.record.refuses.set(7);
    route.sync(&world.record, EPOCH + SECOND).unwrap();
    assert!(is_about(route.delay_ms(None, EPOCH + SECOND), 98));
    let (ledger, mut purse) = (Value::default(), Purse::new(Budget::new(0, 1), 1));
    ledger.refuses.set(100);
    assert_eq!(
        purse.sync(&ledger, Occasion::Request, EPOCH),
        Err(SharedError::Busy)
    );
    assert_eq!(purse.has(), 0);
}

#[test]
fn what_a_request_tells_of_its_first_try() {
    use weir_hedge::pane::Sample;
    let response = |outcome, hedged_after_ms| Response {
        took_ns: 30 * MILLI,
        hedged_after_ms,
        outcome,
        pushback_ms: None,
    };
    let censored = |known_ms: u64| {
        Some(Sample::Censored {
            known_ns: known_ms * MILLI,
            took_ns: 30 * MILLI,
        })
    };
    let complete = Some(Sample::Complete { took_ns: 30 * MILLI });
    let cases = [
        (Outcome::Answered, None, complete),
        (Outcome::Answered, Some(20), censored(20)),
        (Outcome::Answered, Some(40), censored(30)),
        (Outcome::TimedOut, None, censored(30)),
        (Outcome::Abandoned, None, censored(30)),
        (Outcome::Abandoned, Some(20), censored(20)),
        (Outcome::Failed, None, None),
        (Outcome::Failed, Some(20), None),
    ];
    for (outcome, hedged, sample) in cases {
        assert_eq!(
            response(outcome, hedged).sample(),
            sample,
            "{outcome:?} {hedged:?}"
        );
    }
}

fn responses() -> impl Strategy<Value = Response> {
    let outcome = prop_oneof![
        6 => Just(Outcome::Answered),
        1 => Just(Outcome::Failed),
        1 => Just(Outcome::TimedOut),
        1 => Just(Outcome::Abandoned),
    ];
    let hedged = prop::option::weighted(0.2, 0_u32..100);
    let pushback = prop::option::weighted(0.01, prop_oneof![0_u64..100_000, any::<u64>()]);
    (0_u64..500_000_000, outcome, hedged, pushback).prop_map(
        |(took_ns, outcome, hedged_after_ms, pushback_ms)| Response {
            took_ns,
            outcome,
            hedged_after_ms,
            pushback_ms,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whoever saw what: when all have settled, all decide by the same.
    #[test]
    fn all_workers_come_to_the_same(
        workers in 2_usize..5,
        story in prop::collection::vec((any::<prop::sample::Index>(), responses(), 0_u64..SECOND / 5, 0_u32..3), 0..300),
        back in prop::option::of((any::<prop::sample::Index>(), 0_u64..100 * SECOND)),
    ) {
        let mut world = World::new(Policy { pane_ms: 3_000, ..Policy::default() }, workers);
        let back = back.filter(|_| !story.is_empty()).map(|(at, by)| (at.index(story.len().max(1)), by));
        for (number, (worker, response, wait, refuses)) in story.iter().enumerate() {
            if let Some((_, by)) = back.filter(|(at, _)| *at == number) {
                world.now -= by;
            }
            let route = &mut world.routes[worker.index(workers)];
            route.on_response(response, world.now);
            world.record.refuses.set(*refuses);
            route.sync(&world.record, world.now).unwrap();
            world.now += wait;
        }
        world.record.refuses.set(0);
        // After a step back two of these may come too early for a worker; then it adds what it has, and then all look.
        for _ in 0..4 {
            world.now += SECOND / 2;
            world.sync();
        }
        for route in &world.routes {
            prop_assert_eq!(route.view(), world.routes[0].view());
            prop_assert_eq!(route.delay_ms(None, world.now), world.delay(0));
        }
    }

    #[test]
    fn any_record_is_taken(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        responses in prop::collection::vec(responses(), 0..60),
        now in any::<u64>(),
    ) {
        let mut world = World::new(Policy { pane_ms: 1_000, ..Policy::default() }, 1);
        world.seconds(3, &responses);
        let mut damaged = world.record.content.borrow().as_ref().unwrap().0.clone();
        for (at, byte) in damage {
            *at.get_mut(&mut damaged) = byte;
        }
        for bytes in [[&[1][..], &bytes].concat(), bytes, damaged] {
            let mut route = Route::new(Policy::default());
            for now in [now, now.saturating_add(20 * SECOND), now / 2] {
                responses.iter().for_each(|response| route.on_response(response, now));
                let (stored, view) = route.settle(Some(&bytes), now);
                route.accept(view, now);
                prop_assert!(route.delay_ms(None, now).is_ok_and(|ms| (1..=60_000).contains(&ms)) || route.delay_ms(None, now).is_err());
                prop_assert!(stored.len() < 64 << 10);
            }
            // A service is not left alone for ever, whatever the record says.
            let signal = route.view().overload.signal(60_000 * MILLI);
            prop_assert!(signal != Some(Signal::Pushback));
        }
    }
}
