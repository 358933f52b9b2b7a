//! What happens in a run.

use anyhow::ensure;
use serde::Deserialize;
use weir_hedge::simulate::{Latency, Trouble};

/// Bounds of a run: requests a second, and seconds.
const MOST_PER_SECOND: u64 = 5_000;
const MOST_SECONDS: u64 = 900;

/// What happens in a run. Times are seconds since the load began.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Scenario {
    /// The proxy's port on loopback.
    pub(crate) target: u16,
    /// The replicas' ports on loopback.
    pub(crate) replicas: Vec<u16>,
    /// Runs with one seed draw the same times.
    pub(crate) seed: u64,
    /// Logical requests a second.
    pub(crate) per_second: u64,
    /// Requests of which each of them is made.
    #[serde(default = "one")]
    pub(crate) fan_out: u64,
    /// Over how long they leave, evenly, milliseconds.
    #[serde(default)]
    pub(crate) spread_ms: u64,
    /// For how long requests are sent.
    pub(crate) seconds: u64,
    pub(crate) latency: Latency,
    #[serde(default)]
    pub(crate) trouble: Vec<Trouble>,
    /// Times of which there is a report of their own.
    #[serde(default)]
    pub(crate) windows: Vec<Window>,
}

/// A part of the run.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Window {
    pub(crate) name: String,
    pub(crate) from_s: f64,
    pub(crate) until_s: f64,
}

impl Scenario {
    /// Reads one, and checks that it ends.
    pub(crate) fn read(json: &[u8]) -> anyhow::Result<Self> {
        let read: Self = serde_json::from_slice(json)?;
        let rate = read.per_second.saturating_mul(read.fan_out);
        ensure!(
            (1..=MOST_PER_SECOND).contains(&rate),
            "per_second x fan_out is {rate}: expected 1 to {MOST_PER_SECOND}"
        );
        ensure!(
            (1..=MOST_SECONDS).contains(&read.seconds),
            "seconds is {}: expected 1 to {MOST_SECONDS}",
            read.seconds
        );
        ensure!(!read.replicas.is_empty(), "replicas is empty: expected a port");
        Ok(read)
    }

    /// How long a replica takes for a try that begins so late, milliseconds.
    pub(crate) fn takes_ms(&self, replica: usize, request: usize, attempt: usize, at_s: f64) -> f64 {
        let slower = self.trouble.iter().map(|it| it.slows(replica, at_s));
        self.latency.of_try_ms(self.seed, request, attempt) * slower.product::<f64>()
    }
}

impl Window {
    pub(crate) fn has(&self, at_s: f64) -> bool {
        (self.from_s..self.until_s).contains(&at_s)
    }
}

const fn one() -> u64 {
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(more: &str) -> anyhow::Result<Scenario> {
        let text = format!(
            r#"{{"target": 1, "replicas": [2, 3], "seed": 7, "per_second": 10, "seconds": 5,
            "latency": {{"kind": "pareto", "least_ms": 2, "alpha": 3}} {more}}}"#
        );
        Scenario::read(text.as_bytes())
    }

    #[test]
    fn a_replica_is_slower_while_it_is_in_trouble() {
        let scenario =
            read(r#", "trouble": [{"from_s": 1, "until_s": 2, "replica": 1, "times": 10}]"#).unwrap();
        let usual = scenario.takes_ms(0, 4, 0, 1.5);
        assert!(usual >= 2.0);
        assert_eq!(scenario.takes_ms(1, 4, 0, 1.5), usual * 10.0);
        assert_eq!(scenario.takes_ms(1, 4, 0, 2.0), usual);
        assert_ne!(
            scenario.takes_ms(0, 4, 1, 1.5),
            usual,
            "another try is drawn anew"
        );
    }

    #[test]
    fn runs_are_bounded() {
        assert!(read(r#", "fan_out": 500"#).is_ok());
        let error = read(r#", "fan_out": 501"#).unwrap_err().to_string();
        assert_eq!(error, "per_second x fan_out is 5010: expected 1 to 5000");
        assert!(read(r#", "unknown": 1"#).is_err());
    }
}
