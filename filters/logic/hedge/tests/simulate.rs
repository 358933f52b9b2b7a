//! The simulator: what hedges do to a service, by the code that decides about them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use weir_hedge::budget::{Budget, WINDOW_S};
use weir_hedge::overload::OverloadPolicy;
use weir_hedge::policy::Policy;
use weir_hedge::simulate::{Hedging, Run, Scenario, markdown, rows, run};

fn defaults() -> Hedging {
    Hedging {
        policy: Policy::default(),
        budget: Budget::default(),
    }
}

/// As many hedges as anyone could want.
fn generous() -> Hedging {
    Hedging {
        budget: Budget::new(300_000, 100),
        ..defaults()
    }
}

/// Over any whole seconds of a window or longer: hedges ≤ P · requests + m · L.
fn stays_within(run: &Run, parts: u64, min_per_second: u64) {
    for from in 0..run.by_second.len() {
        for to in from + WINDOW_S as usize..=run.by_second.len() {
            let seconds = &run.by_second[from..to];
            let requests: u64 = seconds.iter().map(|second| second.requests).sum();
            let hedges: u64 = seconds.iter().map(|second| second.hedges).sum();
            let length = (to - from) as u64;
            assert!(
                hedges * 1_000_000 <= requests * parts + min_per_second * length * 1_000_000,
                "{hedges} of {requests} in {from}..{to}"
            );
        }
    }
}

fn hedges(run: &Run, seconds: std::ops::Range<usize>) -> u64 {
    run.by_second[seconds].iter().map(|second| second.hedges).sum()
}

#[test]
fn a_run_is_the_same_again() {
    let scenario = Scenario {
        seconds: 5,
        warm_up_seconds: 5,
        ..Scenario::stragglers()
    };
    let (first, second) = (run(&scenario, Some(defaults())), run(&scenario, Some(defaults())));
    assert_eq!(first.took_ns, second.took_ns);
    assert!(first.hedges > 0 && first.hedges == second.hedges);
    let other = Scenario {
        seed: 2,
        ..scenario.clone()
    };
    assert_ne!(first.took_ns, run(&other, Some(defaults())).took_ns);
    // Without hedges users come at the same times.
    assert_eq!(first.requests, run(&scenario, None).requests);
}

#[test]
fn a_distribution_has_the_median_it_says() {
    let median = |scenario: Scenario| run(&scenario, None).percentile_ms(50.0);
    assert!((median(Scenario::stragglers()) - 5.0).abs() < 0.1);
    assert!((median(Scenario::pareto()) - 2.0 * 2_f64.powf(1.0 / 1.5)).abs() < 0.1);
    let p999 = run(&Scenario::bimodal(), None).percentile_ms(99.9);
    assert!((44.0..48.0).contains(&p999), "{p999}");
}

#[test]
fn with_the_defaults_stragglers_are_hedged_within_the_budget() {
    let (without, with) = (
        run(&Scenario::stragglers(), None),
        run(&Scenario::stragglers(), Some(defaults())),
    );
    assert!(with.percentile_ms(99.0) * 3.0 < without.percentile_ms(99.0));
    assert!(with.percentile_ms(99.9) * 5.0 < without.percentile_ms(99.9));
    assert!(with.extra_percent() < 2.0);
    stays_within(&with, 20_000, 10);
}

#[test]
fn a_fan_out_is_as_fast_as_its_slowest_hedge() {
    let (without, with) = (
        run(&Scenario::fan_out(), None),
        run(&Scenario::fan_out(), Some(generous())),
    );
    assert!(without.percentile_ms(50.0) > 60.0);
    assert!(with.percentile_ms(95.0) < 30.0, "{}", with.percentile_ms(95.0));
}

#[test]
fn a_slow_replica_is_made_good_within_five_seconds() {
    let healthy = Scenario {
        trouble: Vec::new(),
        ..Scenario::slow_replica()
    };
    let healthy = run(&healthy, Some(generous())).percentile_ms(99.0);
    let slow = run(&Scenario::slow_replica(), Some(generous()));
    let recovered = slow.percentile_ms_of(10..25, 99.0);
    assert!(recovered < 2.0 * healthy, "{recovered} {healthy}");
    let without = run(&Scenario::slow_replica(), None).percentile_ms_of(10..25, 99.0);
    assert!(without > 4.0 * healthy, "{without} {healthy}");
}

#[test]
fn a_brown_out_is_not_made_worse_than_the_budget_says() {
    for (hedging, parts, min_per_second) in [(defaults(), 20_000, 10), (generous(), 300_000, 100)] {
        let run = run(&Scenario::brown_out(), Some(hedging));
        assert!(hedges(&run, 5..7) > 50);
        stays_within(&run, parts, min_per_second);
        // Overload is seen within three seconds, and seen until it is over.
        assert_eq!(hedges(&run, 8..15), 0);
    }
}

#[test]
fn a_brown_out_that_nobody_sees_is_not_made_worse_either() {
    let overload = OverloadPolicy {
        error_parts: 1_000_000,
        latency_percent: u32::MAX,
        ..OverloadPolicy::default()
    };
    let policy = Policy {
        overload,
        ..Policy::default()
    };
    for (parts, min_per_second) in [(20_000, 10), (100_000, 50)] {
        let budget = Budget::new(parts, min_per_second);
        let run = run(&Scenario::brown_out(), Some(Hedging { policy, budget }));
        stays_within(&run, parts.into(), min_per_second.into());
        // It is spent, so it is the budget that stops them: P and m/2 for ten seconds of 500 requests.
        let allowed = u64::from(parts) * 5_000 / 1_000_000 + u64::from(min_per_second) * 5;
        assert!(hedges(&run, 5..15) * 10 > allowed * 9);
    }
}

#[test]
fn no_storm_of_hedges_comes_after_a_brown_out() {
    for hedging in [defaults(), generous()] {
        let run = run(&Scenario::brown_out(), Some(hedging));
        // 500 requests a second, of which about one in a hundred is a straggler, and as many are slow otherwise.
        for second in 15..30 {
            assert!(hedges(&run, second..second + 1) <= 20, "{second}");
        }
        assert!(hedges(&run, 18..30) > 0);
        assert!(run.percentile_ms_of(18..30, 99.0) < 30.0);
    }
}

#[test]
fn the_table_has_two_rows_for_a_scenario() {
    let short = |scenario: Scenario| Scenario {
        seconds: 3,
        warm_up_seconds: 3,
        ..scenario
    };
    let scenarios: Vec<_> = Scenario::all().into_iter().map(short).collect();
    let rows = rows(&scenarios, defaults());
    assert_eq!(rows.len(), 2 * scenarios.len());
    assert!(rows.iter().all(|row| row.hedges == (row.extra_percent > 0.0)));
    assert!(
        rows.iter()
            .all(|row| row.p50_ms <= row.p95_ms && row.p99_ms <= row.p999_ms)
    );
    let text = markdown(&rows);
    assert_eq!(text.lines().count(), 2 + rows.len());
    assert!(text.lines().all(|line| line.matches('|').count() == 9), "{text}");
    assert!(text.contains("| fast, 1 % stragglers | no | "), "{text}");
}
