//! What a policy says about hedges, with the defaults and why they are so.

use crate::overload::OverloadPolicy;

const NANOS_PER_MILLI: u64 = 1_000_000;

/// The quantile after which a second try leaves, parts of a million.
///
/// As many requests are slower as the budget allows hedges, so that it lasts for all of them. With 95 % of a service of 50 ms
/// it ran out, at random: in the simulator p99.9 was 1,854 ms, with 98 % it is 225 (2,255 without hedges); p99 is 164
/// instead of 150. Who allows more hedges may hedge sooner: 1 less the part of the budget is a good quantile.
pub const DEFAULT_QUANTILE_PARTS: u32 = 980_000;
/// The shortest delay, milliseconds.
///
/// Envoy's second try leaves 1 to 7 ms after its delay is over, so a delay of 1 ms gains nothing over one of 2 (p99 of a service of
/// 0.4 ms: 3.5 and 3.7 ms; 6.7 with a delay of 5), and what holds up a worker's event loop for a moment is no slow replica.
pub const DEFAULT_MIN_DELAY_MS: u32 = 2;
/// The longest delay, milliseconds: what is slower than this needs more than a second try.
pub const DEFAULT_MAX_DELAY_MS: u32 = 10_000;
/// No delay is longer, milliseconds: the budget gives up what lost workers held when no hedge of theirs can still leave.
pub const LONGEST_DELAY_MS: u32 = 60_000;
/// With fewer samples a route is cold: of a hundred, two are beyond the quantile.
pub const DEFAULT_COLD_SAMPLES: u32 = 100;
/// Length of a pane, milliseconds.
pub const DEFAULT_PANE_MS: u32 = 10_000;
/// How many panes make what is usual: a replica may be slow for two and a half minutes until that is.
pub const DEFAULT_PANES: u32 = 30;
/// Hedges of a million requests: 2 %, which even a busy service can bear.
pub const DEFAULT_BUDGET_PARTS: u32 = 20_000;
/// Hedges a second that are always allowed: 50 requests may be armed at a time.
pub const DEFAULT_MIN_PER_SECOND: u32 = 10;

/// How the delay is found, and when there is none. The budget is apart: [`crate::budget::Budget`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The quantile of the route's usual response times that is the delay, parts of a million.
    pub quantile_parts: u32,
    /// The delay is no shorter, milliseconds.
    pub min_delay_ms: u32,
    /// The delay is no longer, milliseconds; nor than [`LONGEST_DELAY_MS`].
    pub max_delay_ms: u32,
    /// With fewer samples a route is cold.
    pub cold_samples: u32,
    /// The delay of a cold route, milliseconds, whatever the shortest and the longest are. None: no second try.
    pub cold_delay_ms: Option<u32>,
    /// Length of a pane, milliseconds. One with fewer than 20 samples goes on.
    pub pane_ms: u32,
    /// How many panes make what is usual, at most [`crate::usual::MAX_PANES`].
    pub panes: u32,
    /// What is taken for overload.
    pub overload: OverloadPolicy,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            quantile_parts: DEFAULT_QUANTILE_PARTS,
            min_delay_ms: DEFAULT_MIN_DELAY_MS,
            max_delay_ms: DEFAULT_MAX_DELAY_MS,
            cold_samples: DEFAULT_COLD_SAMPLES,
            cold_delay_ms: None,
            pane_ms: DEFAULT_PANE_MS,
            panes: DEFAULT_PANES,
            overload: OverloadPolicy::default(),
        }
    }
}

impl Policy {
    /// The delay for a usual quantile of so many nanoseconds: whole milliseconds, rounded up.
    pub fn delay_ms(&self, quantile_ns: u64) -> u32 {
        let ms = quantile_ns.div_ceil(NANOS_PER_MILLI);
        let ms = u32::try_from(ms).unwrap_or(u32::MAX);
        ms.min(self.max_delay_ms)
            .max(self.min_delay_ms)
            .min(LONGEST_DELAY_MS)
    }

    /// The delay of a cold route, milliseconds.
    pub(crate) fn cold_ms(&self) -> Option<u32> {
        self.cold_delay_ms.map(|ms| ms.min(LONGEST_DELAY_MS))
    }
}
