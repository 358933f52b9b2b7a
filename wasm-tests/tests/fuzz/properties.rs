//! What has to hold of every case.

use proptest::prelude::*;

use crate::caches::{calm_caches, stormy_caches};
use crate::case::Case;
use crate::fuzzer::fuzz;
use crate::hedges::{calm_hedges, stormy_hedges};
use crate::history::{break_in, history};
use crate::limits::{calm_limits, stormy_limits};
use crate::placement::placement;

/// No trap, no loop; every request is judged as the configuration in force says; counters, gauges, logs and shared data
/// add up.
#[test]
fn histories() {
    fuzz("histories", 100, history().prop_map(Case::History));
}

/// A broken configuration is refused, by the same code that the control plane checks with, and changes nothing.
#[test]
fn broken_configurations() {
    fuzz("broken_configurations", 200, break_in().prop_map(Case::History));
}

/// The host is deterministic.
#[test]
fn the_same_history_twice() {
    fuzz("the_same_history_twice", 20, history().prop_map(Case::Twice));
}

/// Keys are owned by the shard that the ring's definition says.
#[test]
fn placements() {
    fuzz("placements", 40, placement().prop_map(Case::Placement));
}

/// Rates are exact over all workers, whatever happens to them; nothing else passes that should not.
#[test]
fn limits() {
    fuzz("limits", 150, calm_limits().prop_map(Case::Limits));
}

/// Whatever the host answers and the clock says: no trap.
#[test]
fn limits_in_a_storm() {
    fuzz("limits_in_a_storm", 100, stormy_limits().prop_map(Case::Limits));
}

/// Every request is answered once, in full, by what is for it: never by another's answer, a purged one, or one that must not be
/// stored.
#[test]
fn caches() {
    fuzz("caches", 40, calm_caches().prop_map(Case::Caches));
}

/// Whatever the host answers and the clock says: no trap, and nobody waits for ever or gets another's answer.
#[test]
fn caches_in_a_storm() {
    fuzz("caches_in_a_storm", 25, stormy_caches().prop_map(Case::Caches));
}

/// What a client sends makes no second try; the others leave in time, no more than the budget says over any ten seconds, whatever
/// becomes of workers and of configurations.
#[test]
fn hedges() {
    fuzz("hedges", 60, calm_hedges().prop_map(Case::Hedges));
}

/// Whatever the host answers, the clock says and the number of tries reads: no trap, and everyone is answered once.
#[test]
fn hedges_in_a_storm() {
    fuzz("hedges_in_a_storm", 60, stormy_hedges().prop_map(Case::Hedges));
}
