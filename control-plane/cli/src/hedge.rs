//! `weir hedge`: what second tries would do to a service, by the code that the filter runs.

use clap::{Args, Subcommand, ValueEnum};
use weir_hedge::budget::Budget;
use weir_hedge::policy::Policy;
use weir_hedge::simulate::{Hedging, Row, Scenario, rows};
use weir_policy::quantity::Duration;

use crate::console::Console;
use crate::failure::{EXIT_CODES, Failure};
use crate::table;

/// Parts of one that the logic counts by.
const MILLION: f64 = 1_000_000.0;

/// A question about second tries.
#[derive(Debug, Subcommand)]
pub enum HedgeCommand {
    /// Simulate services with a tail: what users wait without second tries and with them, and what those cost
    ///
    /// Requests arrive at a fixed rate whatever becomes of those before them, and are decided on by the code that the
    /// filter runs. The same settings give the same table. It is no forecast of a real service, whose replicas are slow for
    /// reasons, often for the same ones at a time.
    #[command(after_help = format!("{SIMULATE_EXAMPLES}\n\n{EXIT_CODES}"))]
    Simulate(SimulateOptions),
}

const SIMULATE_EXAMPLES: &str = "\
Examples:
  weir hedge simulate
  weir hedge simulate --scenario slow-replica --percent 30 --min-per-second 100
  weir hedge simulate --scenario stragglers --quantile 0.95 -o json";

/// A HedgePolicy's settings, and the services to try them with.
#[derive(Debug, Args)]
pub struct SimulateOptions {
    /// Which service; may be given many times [default: all]
    #[arg(long = "scenario", value_name = "NAME")]
    scenarios: Vec<ScenarioName>,
    /// A second try leaves when a request takes longer than this part of requests usually do
    #[arg(long, default_value_t = 0.98, value_parser = within_one, value_name = "0..1")]
    quantile: f64,
    /// The shortest delay
    #[arg(long, default_value = "2ms", value_name = "TIME")]
    min_delay: Duration,
    /// The longest delay
    #[arg(long, default_value = "10s", value_name = "TIME")]
    max_delay: Duration,
    /// Second tries of a hundred requests
    #[arg(long, default_value_t = 2.0, value_parser = percent, value_name = "0..100")]
    percent: f64,
    /// Second tries a second that are always allowed; five times as many requests may be waiting for theirs
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=100_000), value_name = "N")]
    min_per_second: u32,
}

/// A service with a tail.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum ScenarioName {
    /// About 5 ms, one of a hundred 60 to 240
    Stragglers,
    /// About 0.4 ms, one of a hundred 8 to 32
    Fast,
    /// 3 ms, or 40 for four of a hundred
    Bimodal,
    /// 2 ms at least, and a long tail
    Pareto,
    /// Answers made of those of 100 servers
    FanOut,
    /// One replica of four is ten times as slow for 20 seconds
    SlowReplica,
    /// All replicas are ten times as slow for ten seconds
    BrownOut,
}

impl ScenarioName {
    fn scenario(self) -> Scenario {
        match self {
            Self::Stragglers => Scenario::stragglers(),
            Self::Fast => Scenario::fast(),
            Self::Bimodal => Scenario::bimodal(),
            Self::Pareto => Scenario::pareto(),
            Self::FanOut => Scenario::fan_out(),
            Self::SlowReplica => Scenario::slow_replica(),
            Self::BrownOut => Scenario::brown_out(),
        }
    }
}

fn cells(row: &Row) -> [String; 7] {
    let ms = |ms: f64| format!("{ms:.1}");
    [
        row.scenario.to_owned(),
        if row.hedges { "yes" } else { "no" }.to_owned(),
        format!("{:.2}", row.extra_percent),
        ms(row.p50_ms),
        ms(row.p95_ms),
        ms(row.p99_ms),
        ms(row.p999_ms),
    ]
}

pub(crate) fn run(command: &HedgeCommand, console: &mut Console<'_>) -> Result<(), Failure> {
    match command {
        HedgeCommand::Simulate(options) => simulate(options, console),
    }
}

fn simulate(options: &SimulateOptions, console: &mut Console<'_>) -> Result<(), Failure> {
    let hedging = options.hedging()?;
    let scenarios = options.scenarios();
    let mut simulated = Vec::new();
    for (index, scenario) in scenarios.iter().enumerate() {
        console.progress(&format!(
            "{} of {}: {}",
            index + 1,
            scenarios.len(),
            scenario.name
        ));
        simulated.extend(rows(std::slice::from_ref(scenario), hedging));
    }
    let head = [
        "SCENARIO", "HEDGES", "EXTRA %", "P50 MS", "P95 MS", "P99 MS", "P99.9 MS",
    ];
    let cells: Vec<_> = simulated.iter().map(cells).collect();
    console.answer(&simulated, || table::render(head, &cells))
}

impl SimulateOptions {
    fn hedging(&self) -> Result<Hedging, Failure> {
        let (min_delay_ms, max_delay_ms) = (self.min_delay.as_millis(), self.max_delay.as_millis());
        if min_delay_ms == 0 || max_delay_ms < min_delay_ms {
            let expected = "expected --min-delay of at least 1ms, and --max-delay of at least that";
            return Err(Failure::Usage(expected.to_owned()));
        }
        let policy = Policy {
            quantile_parts: parts(self.quantile),
            min_delay_ms: u32::try_from(min_delay_ms).unwrap_or(u32::MAX),
            max_delay_ms: u32::try_from(max_delay_ms).unwrap_or(u32::MAX),
            ..Policy::default()
        };
        let budget = Budget::new(parts(self.percent / 100.0), self.min_per_second);
        Ok(Hedging { policy, budget })
    }

    fn scenarios(&self) -> Vec<Scenario> {
        if self.scenarios.is_empty() {
            return Scenario::all();
        }
        self.scenarios.iter().map(|name| name.scenario()).collect()
    }
}

/// A part of one, which is at most one, in parts of a million.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is at most a million"
)]
fn parts(part: f64) -> u32 {
    (part.clamp(0.0, 1.0) * MILLION).round() as u32
}

fn within_one(text: &str) -> Result<f64, String> {
    let number = text.parse().ok();
    let inside = |number: &f64| *number > 0.0 && *number < 1.0;
    number
        .filter(inside)
        .ok_or_else(|| "expected more than 0 and less than 1".to_owned())
}

fn percent(text: &str) -> Result<f64, String> {
    let number = text.parse().ok();
    let inside = |number: &f64| (0.0..=100.0).contains(number);
    number
        .filter(inside)
        .ok_or_else(|| "expected 0 to 100".to_owned())
}
