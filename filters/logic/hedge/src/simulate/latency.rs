//! How long a replica takes.

use fastrand::Rng;
use serde::Deserialize;

use super::draw::{For, normal, rng};

/// A distribution of service times.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Latency {
    /// Log-normal, but for some that are stuck behind something else.
    Stragglers {
        /// The log-normal's median, milliseconds.
        median_ms: f64,
        /// The standard deviation of its logarithm.
        sigma: f64,
        /// The part of stragglers, 0 to 1.
        part: f64,
        /// The least that a straggler takes; four times as much at most, evenly spread. Milliseconds.
        least_ms: f64,
    },
    /// Two kinds of answers, each within a fifth of its time.
    Bimodal {
        /// The time of most, milliseconds.
        fast_ms: f64,
        /// The time of the others, milliseconds.
        slow_ms: f64,
        /// The part of the others, 0 to 1.
        slow_part: f64,
    },
    /// A tail without end.
    Pareto {
        /// The shortest time, milliseconds.
        least_ms: f64,
        /// Its shape: the larger, the shorter the tail.
        alpha: f64,
    },
}

impl Latency {
    /// How long one try of a request takes, milliseconds: the same for the same numbers. The first try is 0.
    pub fn of_try_ms(&self, seed: u64, request: usize, attempt: usize) -> f64 {
        self.draw(&mut rng(seed, For::Service, request, attempt))
    }

    fn draw(&self, rng: &mut Rng) -> f64 {
        match *self {
            Self::Stragglers {
                median_ms,
                sigma,
                part,
                least_ms,
            } => {
                if rng.f64() < part {
                    return least_ms * (1.0 + 3.0 * rng.f64());
                }
                median_ms * (sigma * normal(rng)).exp()
            }
            Self::Bimodal {
                fast_ms,
                slow_ms,
                slow_part,
            } => {
                let middle = if rng.f64() < slow_part { slow_ms } else { fast_ms };
                middle * (0.8 + 0.4 * rng.f64())
            }
            Self::Pareto { least_ms, alpha } => least_ms * (1.0 - rng.f64()).powf(-1.0 / alpha),
        }
    }
}
