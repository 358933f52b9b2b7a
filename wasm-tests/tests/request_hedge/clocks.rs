//! A clock that steps.

use weir_wasm_tests::Request;

use crate::budget::{Times, brown_out};
use crate::fixture::{Hedged, assert_whole, plain};

const SECOND_NS: i64 = 1_000_000_000;

#[test]
fn steps_trap_nothing_and_every_request_is_answered() {
    let steps = [1, -1, 30, -30, 3_600, -3_600, 1_000_000, -1_000_000];
    for seconds in steps {
        let hedged = Hedged::on(2, &plain());
        hedged.replicas.first_takes(50);
        let mut exchanges = hedged.stream(20, 10);
        hedged.fleet.step_clock(seconds * SECOND_NS);
        exchanges.extend(hedged.stream(20, 10));
        hedged.fleet.step_clock(-seconds * SECOND_NS);
        exchanges.extend(hedged.stream(20, 10));
        hedged.advance(2_000);
        exchanges.iter().for_each(assert_whole);
        assert!(hedged.process.traps().is_empty(), "{seconds}");
        assert!(hedged.tries(0) == 2 && hedged.tries(1) == 2, "{seconds}");
    }
}

#[test]
fn what_a_step_hides_is_counted_and_nothing_is_learnt_from_it() {
    for seconds in [-1, -3_600, 60, 3_600] {
        let hedged = Hedged::on(1, &plain());
        hedged.warm();
        let usual = hedged.delay();
        hedged.replicas.first_takes(20);
        for _ in 0..20 {
            let exchange = hedged.send(0, Request::get("/a"));
            hedged.fleet.step_clock(seconds * SECOND_NS);
            hedged.advance(100);
            assert_whole(&exchange);
        }
        let counted = hedged.counted("clock_steps_total.filter.request-hedge");
        assert_eq!((counted, hedged.delay()), (20, usual), "{seconds}");
    }
}

#[test]
fn steps_forth_give_what_their_time_is_worth_at_most() {
    let hedged = brown_out(2, 20_000, 10);
    let mut exchanges = Vec::new();
    for _ in 0..4 {
        exchanges.extend(hedged.stream(500, 10));
        hedged.fleet.step_clock(3 * SECOND_NS);
    }
    hedged.advance(1_000);
    let over = Times::of(&exchanges).over(20_000, 10, 12_000);
    assert!(over <= 0, "{over} too many");
}

#[test]
fn steps_back_give_nothing() {
    for nanoseconds in [
        -SECOND_NS / 100,
        -SECOND_NS / 2,
        -3 * SECOND_NS,
        -3_600 * SECOND_NS,
    ] {
        let hedged = brown_out(2, 20_000, 10);
        let mut exchanges = Vec::new();
        for _ in 0..8 {
            exchanges.extend(hedged.stream(250, 10));
            hedged.fleet.step_clock(nanoseconds);
        }
        hedged.advance(1_000);
        exchanges.iter().for_each(assert_whole);
        let over = Times::of(&exchanges).over(20_000, 10, 0);
        assert!(over <= 0, "{nanoseconds}: {over} too many");
    }
}
