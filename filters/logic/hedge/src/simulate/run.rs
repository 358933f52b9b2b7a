//! What came of a run.

use std::ops::Range;

const NANOS_PER_MILLI: f64 = 1e6;

/// What came of a run, of the time that is reported.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// Requests to the service, hedges not counted.
    pub requests: u64,
    /// Hedges that left.
    pub hedges: u64,
    /// How long users waited, nanoseconds, ascending.
    pub took_ns: Vec<u64>,
    /// The same by second.
    pub by_second: Vec<Second>,
}

/// A second of a run.
#[derive(Clone, Debug, Default)]
pub struct Second {
    /// Requests that came in it.
    pub requests: u64,
    /// Hedges that left in it.
    pub hedges: u64,
    /// How long users waited that came in it, nanoseconds, ascending.
    pub took_ns: Vec<u64>,
}

/// The time of `percent` of some, ascending; milliseconds.
fn percentile_ms(took_ns: &[u64], percent: f64) -> f64 {
    let rank = (took_ns.len() as f64 * percent / 100.0).ceil() as usize;
    let found = took_ns.get(rank.saturating_sub(1)).or(took_ns.last());
    found.map_or(0.0, |ns| *ns as f64 / NANOS_PER_MILLI)
}

impl Run {
    /// So many percent of the users waited no longer than this, milliseconds.
    pub fn percentile_ms(&self, percent: f64) -> f64 {
        percentile_ms(&self.took_ns, percent)
    }

    /// So many percent of the users that came in some seconds waited no longer than this, milliseconds.
    pub fn percentile_ms_of(&self, seconds: Range<usize>, percent: f64) -> f64 {
        let seconds = self.by_second.get(seconds).unwrap_or_default();
        let mut took_ns: Vec<u64> = seconds
            .iter()
            .flat_map(|second| &second.took_ns)
            .copied()
            .collect();
        took_ns.sort_unstable();
        percentile_ms(&took_ns, percent)
    }

    /// Sorts what was noted.
    pub(super) fn close(&mut self) {
        self.took_ns.sort_unstable();
        self.by_second
            .iter_mut()
            .for_each(|second| second.took_ns.sort_unstable());
    }

    /// Hedges of a hundred requests.
    pub fn extra_percent(&self) -> f64 {
        self.hedges as f64 * 100.0 / self.requests.max(1) as f64
    }
}
