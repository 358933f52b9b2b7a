//! Quotas, compiled: which algorithm keeps them.

use weir_policy::compiled::rate_limit::{Amount, CompiledQuota};
use weir_policy::problem::Problem;
use weir_quota::cell::{Concurrency, Gcra, Rate, SlidingWindow, State, Verdict};
use weir_quota::share::ShareRecord;

const NANOS_PER_MILLI: u64 = 1_000_000;
/// As a key that was never seen, for every kind of quota.
pub(crate) const FORGOTTEN: State = State { expires: 0, word: 0 };

/// One quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quota {
    /// An even rate with a burst.
    Rate {
        /// The cell's parameters.
        rate: Rate,
        /// In one window.
        requests: u64,
        /// Milliseconds.
        window_ms: u64,
    },
    /// Two fixed windows.
    Window {
        /// The counter's parameters.
        window: SlidingWindow,
        /// In any window, about.
        requests: u64,
        /// Milliseconds.
        window_ms: u64,
    },
    /// Requests under way.
    Concurrency {
        /// The counter's parameters.
        concurrency: Concurrency,
        /// So many at once.
        requests: u64,
    },
}

impl Quota {
    /// Checks; `debt`: costs may be charged after the fact.
    pub(crate) fn try_new(quota: CompiledQuota, debt: bool) -> Result<Self, Problem> {
        let invalid = |field: &str, error: &dyn std::fmt::Display| {
            Problem::new("invalid_quota", format!("/{field}"), error.to_string())
        };
        let (CompiledQuota::Rate(amount)
        | CompiledQuota::SlidingWindow(amount)
        | CompiledQuota::Concurrency(amount)) = quota;
        let Amount {
            requests,
            window_ms,
            burst,
        } = amount;
        let time = nanos(window_ms);
        match quota {
            CompiledQuota::Rate(_) => {
                let rate = Rate::try_new(requests, time, burst).map_err(|error| invalid("rate", &error))?;
                Ok(Self::Rate {
                    rate: if debt { rate.with_debt() } else { rate },
                    requests,
                    window_ms,
                })
            }
            CompiledQuota::SlidingWindow(_) => Ok(Self::Window {
                window: SlidingWindow::try_new(narrow(requests), time)
                    .map_err(|error| invalid("slidingWindow", &error))?,
                requests,
                window_ms,
            }),
            CompiledQuota::Concurrency(_) => Ok(Self::Concurrency {
                concurrency: Concurrency::try_new(narrow(requests), time)
                    .map_err(|error| invalid("concurrency", &error))?,
                requests,
            }),
        }
    }

    /// Which algorithm keeps it.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Rate { .. } => "rate",
            Self::Window { .. } => "window",
            Self::Concurrency { .. } => "concurrency",
        }
    }

    /// How many requests it is.
    pub(crate) fn requests(&self) -> u64 {
        match self {
            Self::Rate { requests, .. }
            | Self::Window { requests, .. }
            | Self::Concurrency { requests, .. } => *requests,
        }
    }

    /// In how many seconds, rounded up; none for requests under way.
    pub(crate) fn window_s(&self) -> Option<u64> {
        match self {
            Self::Rate { window_ms, .. } | Self::Window { window_ms, .. } => Some(window_ms.div_ceil(1_000)),
            Self::Concurrency { .. } => None,
        }
    }

    /// The cell's parameters, where it is a rate.
    pub fn rate(&self) -> Option<&Rate> {
        match self {
            Self::Rate { rate, .. } => Some(rate),
            Self::Window { .. } | Self::Concurrency { .. } => None,
        }
    }

    /// Whether requests are counted until they end.
    pub(crate) fn counts_requests_under_way(&self) -> bool {
        matches!(self, Self::Concurrency { .. })
    }

    /// Whether `cost` may pass, and the state after it.
    pub(crate) fn check(
        &self,
        state: Option<State>,
        share: Option<&ShareRecord>,
        now: u64,
        cost: u64,
    ) -> (Verdict, Option<State>) {
        match self {
            Self::Rate { rate, .. } => cell(rate, share).check(state, now, cost),
            Self::Window { window, .. } => window.check(state, now, cost),
            Self::Concurrency { concurrency, .. } => concurrency.begin(state, now),
        }
    }

    /// Whether `state` is of a later time than `now`.
    pub(crate) fn is_ahead(&self, state: Option<State>, share: Option<&ShareRecord>, now: u64) -> bool {
        match self {
            Self::Rate { rate, .. } => cell(rate, share).is_ahead(state, now),
            Self::Window { window, .. } => window.is_ahead(state, now),
            Self::Concurrency { concurrency, .. } => concurrency.is_ahead(state, now),
        }
    }

    /// Gives back what was charged; nothing where there is nothing to give back to.
    pub(crate) fn refund(
        &self,
        state: Option<State>,
        share: Option<&ShareRecord>,
        charged_at: u64,
        now: u64,
        cost: u64,
    ) -> Option<State> {
        match self {
            Self::Rate { rate, .. } => Some(cell(rate, share).refund(state?, cost)),
            Self::Window {
                window, window_ms, ..
            } => {
                // What was charged before the window before this one is forgotten already.
                let begun = |at: u64| at / nanos(*window_ms).max(1);
                let known = begun(charged_at).saturating_add(1) >= begun(now);
                known.then_some(window.refund(state?, cost))
            }
            Self::Concurrency { concurrency, .. } => {
                let rest = concurrency.end(Some(state?), charged_at, now);
                Some(rest.unwrap_or(FORGOTTEN))
            }
        }
    }

    /// Charges after the fact.
    pub(crate) fn charge(
        &self,
        state: Option<State>,
        share: Option<&ShareRecord>,
        now: u64,
        cost: u64,
    ) -> Option<State> {
        match self {
            Self::Rate { rate, .. } => Some(cell(rate, share).charge(state, now, cost)),
            Self::Window { window, .. } => Some(window.charge(state, now, cost)),
            Self::Concurrency { .. } => None,
        }
    }
}

fn cell<'r>(rate: &'r Rate, share: Option<&'r ShareRecord>) -> Gcra<'r> {
    match share {
        Some(share) => Gcra::shared(rate, share),
        None => Gcra::local(rate),
    }
}

/// Documents hold no larger numbers.
fn narrow(requests: u64) -> u32 {
    u32::try_from(requests).unwrap_or(u32::MAX)
}

const fn nanos(millis: u64) -> u64 {
    millis.saturating_mul(NANOS_PER_MILLI)
}
