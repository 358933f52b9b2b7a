//! What happens in a simulation.

use serde::Deserialize;

use super::latency::Latency;

/// A service, its load, and what goes wrong.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// What it is called.
    pub name: &'static str,
    /// Runs with one seed are the same.
    pub seed: u64,
    /// What users ask for, a second.
    pub per_second: f64,
    /// Requests that come of it, all at once: it is answered when the last of them is.
    pub fan_out: usize,
    /// How long the service was watched before the time that is reported, seconds.
    pub warm_up_seconds: u64,
    /// The time that is reported, seconds.
    pub seconds: u64,
    /// Workers of the proxy.
    pub workers: usize,
    /// Replicas of the service.
    pub replicas: usize,
    /// What a replica works on at a time; the rest waits. None: everything.
    pub slots: Option<usize>,
    /// How long a replica takes.
    pub latency: Latency,
    /// Requests end after so many milliseconds.
    pub timeout_ms: u64,
    /// When replicas are slower.
    pub trouble: Vec<Trouble>,
}

/// A time in which replicas are slower.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trouble {
    /// From when on, in seconds of the time that is reported.
    pub from_s: f64,
    /// Until when, in seconds of the time that is reported.
    pub until_s: f64,
    /// Which replica; none: all.
    pub replica: Option<usize>,
    /// So many times as slow.
    pub times: f64,
}

impl Trouble {
    /// How much slower a replica is, at seconds of the time that is reported.
    pub fn slows(&self, replica: usize, at_s: f64) -> f64 {
        let is_it = self.replica.is_none_or(|slow| slow == replica);
        if is_it && (self.from_s..self.until_s).contains(&at_s) {
            self.times
        } else {
            1.0
        }
    }
}

impl Scenario {
    /// 500 requests a second to eight replicas: about 5 ms, one of a hundred 60 to 240.
    pub fn stragglers() -> Self {
        Self {
            name: "log-normal, 1 % stragglers",
            seed: 1,
            per_second: 500.0,
            fan_out: 1,
            warm_up_seconds: 60,
            seconds: 60,
            workers: 4,
            replicas: 8,
            slots: None,
            latency: Latency::Stragglers {
                median_ms: 5.0,
                sigma: 0.4,
                part: 0.01,
                least_ms: 60.0,
            },
            timeout_ms: 15_000,
            trouble: Vec::new(),
        }
    }

    /// About 0.4 ms, one of a hundred 8 to 32.
    pub fn fast() -> Self {
        Self {
            name: "fast, 1 % stragglers",
            latency: Latency::Stragglers {
                median_ms: 0.4,
                sigma: 0.4,
                part: 0.01,
                least_ms: 8.0,
            },
            ..Self::stragglers()
        }
    }

    /// 3 ms, or 40 for four of a hundred.
    pub fn bimodal() -> Self {
        Self {
            name: "bimodal, 4 % slow",
            latency: Latency::Bimodal {
                fast_ms: 3.0,
                slow_ms: 40.0,
                slow_part: 0.04,
            },
            ..Self::stragglers()
        }
    }

    /// 2 ms at least, and a long tail.
    pub fn pareto() -> Self {
        Self {
            name: "Pareto, alpha 1.5",
            latency: Latency::Pareto {
                least_ms: 2.0,
                alpha: 1.5,
            },
            ..Self::stragglers()
        }
    }

    /// What Dean and Barroso write of ("The Tail at Scale", 2013): an answer is made of those of 100 servers, of which one in a
    /// hundred takes long.
    pub fn fan_out() -> Self {
        Self {
            name: "fan-out of 100, 1 % stragglers",
            per_second: 10.0,
            fan_out: 100,
            replicas: 100,
            ..Self::stragglers()
        }
    }

    /// One replica of four is ten times as slow, for 20 of 30 seconds.
    pub fn slow_replica() -> Self {
        Self {
            name: "one replica of four 10 times as slow",
            seconds: 30,
            replicas: 4,
            trouble: vec![Trouble {
                from_s: 5.0,
                until_s: 25.0,
                replica: Some(0),
                times: 10.0,
            }],
            ..Self::stragglers()
        }
    }

    /// All replicas are ten times as slow for ten of 30 seconds, more than they can bear: work piles up.
    pub fn brown_out() -> Self {
        Self {
            name: "brown-out: all replicas 10 times as slow",
            seconds: 30,
            slots: Some(2),
            timeout_ms: 1_000,
            trouble: vec![Trouble {
                from_s: 5.0,
                until_s: 15.0,
                replica: None,
                times: 10.0,
            }],
            ..Self::stragglers()
        }
    }

    /// All of them.
    pub fn all() -> Vec<Self> {
        vec![
            Self::stragglers(),
            Self::fast(),
            Self::bimodal(),
            Self::pareto(),
            Self::fan_out(),
            Self::slow_replica(),
            Self::brown_out(),
        ]
    }
}
