//! What has to hold of every case.

use proptest::prelude::*;

use crate::case::Case;
use crate::fuzzer::fuzz;
use crate::history::{break_in, history};
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
