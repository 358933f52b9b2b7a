//! The host of this crate.

use crate::scenario::Scenario;

/// Loads a scenario's filters: the host takes every module that Envoy takes.
pub(crate) fn load(scenario: &Scenario) {
    for filter in &scenario.filters {
        filter.module(scenario.name);
    }
}
