//! Requests in flight.

use crate::cell::sliding_window::Counts;
use crate::cell::{MAX_WINDOW_NS, MIN_WINDOW_NS, State, Verdict, WindowError};

/// At most `limit` requests of one key in flight.
///
/// Beginnings are counted in two fixed periods of `max_duration` that follow one another, and an end is taken from the
/// period that its request began in. A period's count is forgotten when the second period after it begins. So a request
/// counts for at least `max_duration` and at most twice that, whether its end is ever told or not: what a dead VM left
/// behind is gone by then. A request that runs longer than `max_duration` may stop counting while it runs.
///
/// A clock that steps back over the beginning of its period finds all counts in the period it comes to; a denied request
/// stores that.
///
/// The state is a [`SlidingWindow`](crate::cell::SlidingWindow)'s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Concurrency {
    limit: u32,
    max_duration_ns: u64,
}

impl Concurrency {
    /// At most `limit` requests, none of which is counted for longer than twice `max_duration_ns`.
    pub const fn try_new(limit: u32, max_duration_ns: u64) -> Result<Self, WindowError> {
        if limit == 0 {
            return Err(WindowError::NoLimit);
        }
        if max_duration_ns < MIN_WINDOW_NS || max_duration_ns > MAX_WINDOW_NS {
            return Err(WindowError::Window(max_duration_ns));
        }
        Ok(Self {
            limit,
            max_duration_ns,
        })
    }

    /// What the cell says to a request that begins, and the state to store, if it is another. Nobody knows when another
    /// request ends, so a denial never says when to come again; `reset_ns` is when everything is forgotten.
    pub fn begin(&self, state: Option<State>, now: u64) -> (Verdict, Option<State>) {
        let mut counts = Counts::at(state, now, self.max_duration_ns);
        let remaining = self.remaining(&counts);
        if remaining == 0 {
            let verdict = Verdict::Deny {
                remaining,
                retry_after_ns: None,
                reset_ns: self.reset_ns(&counts, now),
            };
            let turned_back = counts.turned_back(state, self.max_duration_ns);
            return (verdict, turned_back.then(|| counts.state(self.max_duration_ns)));
        }
        counts.take(1);
        let verdict = Verdict::Allow {
            remaining: remaining - 1,
            reset_ns: self.reset_ns(&counts, now),
        };
        (verdict, Some(counts.state(self.max_duration_ns)))
    }

    /// Whether `state` is of a later period than `now`: the clock has stepped back, or `now` was read before another worker
    /// wrote the state.
    pub fn is_ahead(&self, state: Option<State>, now: u64) -> bool {
        Counts::at(state, now, self.max_duration_ns).turned_back(state, self.max_duration_ns)
    }

    /// The state after the end of a request for which [`Self::begin`] was asked at `started_at`; absent: nothing is
    /// left to remember.
    pub fn end(&self, state: Option<State>, started_at: u64, now: u64) -> Option<State> {
        let mut counts = Counts::at(state, now, self.max_duration_ns);
        let began = started_at / self.max_duration_ns;
        if began >= counts.index {
            counts.current = counts.current.saturating_sub(1);
        } else if began + 1 == counts.index {
            counts.previous = counts.previous.saturating_sub(1);
        }
        let any = counts.current > 0 || counts.previous > 0;
        any.then(|| counts.state(self.max_duration_ns))
    }

    fn remaining(&self, counts: &Counts) -> u64 {
        let running = counts.current.saturating_add(counts.previous);
        u64::from(self.limit.saturating_sub(running))
    }

    const fn reset_ns(&self, counts: &Counts, now: u64) -> u64 {
        counts.until(self.max_duration_ns).saturating_sub(now)
    }
}
