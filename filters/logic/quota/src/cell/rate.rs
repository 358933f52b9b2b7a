//! How many units in how much time, and how many at once.

use crate::cell::gcra::MAX_TOLERANCE_NS;

/// The shortest window: a millisecond.
pub const MIN_WINDOW_NS: u64 = 1_000_000;
/// The longest window: 366 days.
pub const MAX_WINDOW_NS: u64 = 366 * 24 * 3600 * 1_000_000_000;
/// The most units in a window.
const MAX_REQUESTS: u64 = 1_000_000_000_000;
/// One unit takes at least a microsecond.
const MIN_INTERVAL_NS: u64 = 1_000;

/// A checked rate with its burst.
///
/// A unit comes back every `interval_ns` = ⌈window / requests⌉, so that a window never gives more than was asked for
/// (at the highest rate up to 0.1 % less). From rest `burst` units pass at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    interval_ns: u64,
    burst: u64,
    tolerance_ns: u64,
    debt_ns: u64,
}

/// Why numbers make no [`Rate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RateError {
    /// No requests, or too many.
    #[error("requests is {0}: expected 1 to {MAX_REQUESTS}")]
    Requests(u64),
    /// The window is too short or too long.
    #[error("the window is {0} ns: expected {MIN_WINDOW_NS} (1 ms) to {MAX_WINDOW_NS} (366 days)")]
    Window(u64),
    /// More than a million a second.
    #[error("{requests} requests in {window_ns} ns: expected at most 1000000 a second")]
    TooFast {
        /// Requests in a window.
        requests: u64,
        /// The window.
        window_ns: u64,
    },
    /// Nothing could ever pass.
    #[error("burst is 0: expected at least 1")]
    NoBurst,
    /// An empty bucket would take more than 73 years to fill.
    #[error("burst is {burst}, and a unit comes back every {interval_ns} ns: expected at most {most} units")]
    Burst {
        /// The burst.
        burst: u64,
        /// Time of one unit.
        interval_ns: u64,
        /// The largest burst at this rate.
        most: u64,
    },
}

impl Rate {
    /// `requests` units in `window_ns`, and `burst` of them at once.
    pub fn try_new(requests: u64, window_ns: u64, burst: u64) -> Result<Self, RateError> {
        if !(1..=MAX_REQUESTS).contains(&requests) {
            return Err(RateError::Requests(requests));
        }
        if !(MIN_WINDOW_NS..=MAX_WINDOW_NS).contains(&window_ns) {
            return Err(RateError::Window(window_ns));
        }
        if requests.saturating_mul(MIN_INTERVAL_NS) > window_ns {
            return Err(RateError::TooFast { requests, window_ns });
        }
        Self::of_interval(window_ns.div_ceil(requests), burst)
    }

    const fn of_interval(interval_ns: u64, burst: u64) -> Result<Self, RateError> {
        let most = MAX_TOLERANCE_NS / interval_ns;
        if burst == 0 {
            return Err(RateError::NoBurst);
        }
        if burst > most {
            return Err(RateError::Burst {
                burst,
                interval_ns,
                most,
            });
        }
        let tolerance_ns = interval_ns * burst;
        Ok(Self {
            interval_ns,
            burst,
            tolerance_ns,
            debt_ns: 0,
        })
    }

    /// The same rate, for costs that are known only after the fact: they may take one more burst than there is.
    #[must_use]
    pub const fn with_debt(self) -> Self {
        Self {
            debt_ns: self.tolerance_ns,
            ..self
        }
    }

    /// Time in which one unit comes back, ns.
    pub const fn interval_ns(&self) -> u64 {
        self.interval_ns
    }

    /// Units that pass at once from rest.
    pub const fn burst(&self) -> u64 {
        self.burst
    }

    /// Time in which an empty bucket fills, τ, ns.
    pub const fn tolerance_ns(&self) -> u64 {
        self.tolerance_ns
    }

    /// How far below empty a bucket may go, ns.
    pub const fn debt_ns(&self) -> u64 {
        self.debt_ns
    }

    /// What `cost` units take, ns.
    pub(crate) const fn price_ns(&self, cost: u64) -> u64 {
        self.interval_ns.saturating_mul(cost)
    }
}
