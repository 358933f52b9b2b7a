//! The same filters and the same scripts in Envoy and in the host leave the same traces.
//!
//! Needs Envoy 1.40 (`WEIR_ENVOY`; `./scripts/setup` prints it).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

/// Names scenarios, makes a test of each, and lists them in `all`.
macro_rules! scenarios {
    ($($name:ident: $scenario:expr;)*) => {
        pub(crate) fn all() -> Vec<crate::scenario::Scenario> {
            vec![$($scenario.named(stringify!($name))),*]
        }

        $(#[test]
        fn $name() {
            crate::conforms(stringify!($name));
        })*
    };
}

mod bodies;
mod callbacks;
mod calls;
mod differences;
mod envoy;
mod failures;
mod host;
mod lifecycle;
mod maps;
mod pauses;
mod probes;
mod properties;
mod replies;
mod routing;
mod scenario;
mod sharing;
mod trace;
mod wasi;

use scenario::Scenario;
use trace::Trace;

/// Every scenario: Envoy has a listener for each.
pub(crate) fn all() -> Vec<Scenario> {
    [
        bodies::all,
        callbacks::all,
        calls::all,
        failures::all,
        lifecycle::all,
        maps::all,
        pauses::all,
        properties::all,
        replies::all,
        routing::all,
        sharing::all,
        wasi::all,
    ]
    .iter()
    .flat_map(|scenarios| scenarios())
    .collect()
}

/// Panics when the traces differ, and when they don't though the difference is listed.
fn conforms(name: &str) {
    let scenarios = all();
    let scenario = scenarios.iter().find(|known| known.name == name).unwrap();
    let real = note(scenario, "envoy", envoy::run(scenario));
    let ours = note(scenario, "host", host::run(scenario));
    differences::check(name, &real, &ours);
}

/// What chance does not decide of a trace; it is left in a file for a look.
fn note(scenario: &Scenario, host: &str, trace: Trace) -> Trace {
    let trace = trace::settled(trace, scenario);
    let path = envoy::folder().join(format!("{}.{host}", scenario.name));
    std::fs::write(path, trace.to_string()).unwrap();
    trace
}
