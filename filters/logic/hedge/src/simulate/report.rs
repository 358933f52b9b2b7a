//! A table of what came of scenarios.

use std::fmt::Write;

use serde::Serialize;

use super::run::Run;
use super::scenario::Scenario;
use super::world::{Hedging, run};

/// A scenario, with hedges or without.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// The scenario's name.
    pub scenario: &'static str,
    /// Whether there were hedges.
    pub hedges: bool,
    /// Requests to the service, hedges not counted.
    pub requests: u64,
    /// Hedges of a hundred requests.
    pub extra_percent: f64,
    /// The median of what users waited, milliseconds.
    pub p50_ms: f64,
    /// 95 % waited no longer, milliseconds.
    pub p95_ms: f64,
    /// 99 % waited no longer, milliseconds.
    pub p99_ms: f64,
    /// 99.9 % waited no longer, milliseconds.
    pub p999_ms: f64,
}

impl Row {
    fn new(scenario: &Scenario, hedges: bool, run: &Run) -> Self {
        Self {
            scenario: scenario.name,
            hedges,
            requests: run.requests,
            extra_percent: run.extra_percent(),
            p50_ms: run.percentile_ms(50.0),
            p95_ms: run.percentile_ms(95.0),
            p99_ms: run.percentile_ms(99.0),
            p999_ms: run.percentile_ms(99.9),
        }
    }
}

/// Two rows for each scenario: without hedges, and with them.
pub fn rows(scenarios: &[Scenario], hedging: Hedging) -> Vec<Row> {
    let both = |scenario| [None, Some(hedging)].map(|hedging| (scenario, hedging));
    let row = |(scenario, hedging): (&Scenario, Option<Hedging>)| {
        Row::new(scenario, hedging.is_some(), &run(scenario, hedging))
    };
    scenarios.iter().flat_map(both).map(row).collect()
}

/// The rows as a table in Markdown.
pub fn markdown(rows: &[Row]) -> String {
    let mut text = String::from(
        "| scenario | hedges | requests | extra % | p50 ms | p95 ms | p99 ms | p99.9 ms |\n\
         | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for row in rows {
        let hedges = if row.hedges { "yes" } else { "no" };
        // Writing to a String never fails.
        let _ok = writeln!(
            text,
            "| {} | {hedges} | {} | {:.2} | {:.1} | {:.1} | {:.1} | {:.1} |",
            row.scenario, row.requests, row.extra_percent, row.p50_ms, row.p95_ms, row.p99_ms, row.p999_ms
        );
    }
    text
}
