//! What is usual: readings of the last panes.

use crate::pane::{Pane, Reading};
use crate::wire;

/// Half, in parts per million.
const MEDIAN: u32 = 500_000;
/// Most readings that are kept, whatever a policy says.
pub const MAX_PANES: usize = 120;

/// What a pane came to, nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Told {
    quantile_ns: u64,
    median_ns: u64,
}

/// The quantile and the median of each of the last panes.
///
/// What is usual is the median over the panes: a replica that is slow for a minute changes nothing (that is what hedges are
/// for), and a change that stays is taken for usual after half of the panes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usual {
    /// The oldest first.
    panes: Vec<Told>,
}

impl Usual {
    /// Adds what a pane came to, and forgets what was before the last `keep`. A pane without samples adds nothing.
    ///
    /// Where so many requests were hedged that only a lower bound of the quantile is known (`parts` of a million), it counts
    /// as the delay that was in force, unless the bound is longer.
    pub fn add(&mut self, pane: &Pane, parts: u32, keep: usize) {
        let (Some(quantile), Some(median)) = (pane.quantile(parts), pane.quantile(MEDIAN)) else {
            return;
        };
        let told = Told {
            quantile_ns: or_in_force(quantile, self.quantile_ns()),
            median_ns: or_in_force(median, self.median_ns()),
        };
        self.panes.push(told);
        let over = self.panes.len().saturating_sub(keep.clamp(1, MAX_PANES));
        self.panes.drain(..over);
    }

    /// The usual quantile, nanoseconds. None before the first pane.
    pub fn quantile_ns(&self) -> Option<u64> {
        middle(self.panes.iter().map(|told| told.quantile_ns))
    }

    /// The usual median, nanoseconds. None before the first pane.
    pub fn median_ns(&self) -> Option<u64> {
        middle(self.panes.iter().map(|told| told.median_ns))
    }

    /// How many panes it has.
    pub const fn panes(&self) -> usize {
        self.panes.len()
    }

    /// Writes a number of panes, then two numbers for each.
    pub(crate) fn put(&self, bytes: &mut Vec<u8>) {
        wire::put(bytes, self.panes.len() as u64);
        for told in &self.panes {
            wire::put(bytes, told.quantile_ns);
            wire::put(bytes, told.median_ns);
        }
    }

    pub(crate) fn take(bytes: &mut &[u8]) -> Option<Self> {
        let count = wire::take(bytes)?;
        let count = usize::try_from(count).ok().filter(|count| *count <= MAX_PANES)?;
        let mut told = || {
            Some(Told {
                quantile_ns: wire::take(bytes)?,
                median_ns: wire::take(bytes)?,
            })
        };
        let panes = (0..count).map(|_| told()).collect::<Option<_>>()?;
        Some(Self { panes })
    }
}

fn or_in_force(reading: Reading, in_force: Option<u64>) -> u64 {
    match reading {
        Reading::Is(ns) => ns,
        Reading::AtLeast(ns) => in_force.map_or(ns, |in_force| ns.max(in_force)),
    }
}

/// The middle one; of an even number the shorter of the two.
fn middle(times: impl Iterator<Item = u64>) -> Option<u64> {
    let mut times: Vec<u64> = times.collect();
    times.sort_unstable();
    times.get(times.len().saturating_sub(1) / 2).copied()
}
