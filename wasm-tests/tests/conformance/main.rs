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

use scenario::Scenario;

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
    ]
    .iter()
    .flat_map(|scenarios| scenarios())
    .collect()
}

/// Takes the trace of Envoy, and leaves it in a file of its own.
fn conforms(name: &str) {
    let scenarios = all();
    let scenario = scenarios.iter().find(|known| known.name == name).unwrap();
    host::load(scenario);
    let trace = trace::settled(envoy::run(scenario), scenario);
    std::fs::write(envoy::folder().join(format!("{name}.envoy")), trace.to_string()).unwrap();
}
