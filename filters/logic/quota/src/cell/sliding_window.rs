//! The sliding window, approximated by two counters.

use crate::cell::rate::{MAX_WINDOW_NS, MIN_WINDOW_NS};
use crate::cell::{State, Verdict};

/// At most `limit` units in a window that slides, approximated from two fixed windows.
///
/// Counted are the units of the current fixed window and of the one before it; the latter counts for as much of it as
/// the sliding window still covers: estimate = current + ⌈previous · (window − passed) / window⌉. A request passes iff
/// estimate + cost ≤ limit (Cloudflare, "How we built rate limiting capable of scaling to millions of domains", 2017).
///
/// **The error**: the estimate takes the previous window's units as evenly spread. With p = passed / window it is too low
/// by at most previous · p (they all came at its end), too high by at most previous · (1 − p) (at its beginning), and by
/// one for rounding. No fixed window lets more than `limit` pass, so no window of that length more than 2 · `limit`.
/// Where the bound has to be exact, take [`Gcra`](crate::cell::Gcra).
///
/// **A clock that steps back** over the beginning of its fixed window finds all counts in the window it comes to, as
/// units of that one: nothing is forgotten, and nothing is held longer than two windows. A denied request stores that.
///
/// The state: `expires` is the end of the next fixed window, and so says which one is the current; `word` holds the
/// previous count in its high and the current in its low half.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlidingWindow {
    limit: u32,
    window_ns: u64,
}

/// Why numbers make no window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WindowError {
    /// Nothing could ever pass.
    #[error("the limit is 0: expected 1 to {}", u32::MAX)]
    NoLimit,
    /// The window is too short or too long.
    #[error("the window is {0} ns: expected {MIN_WINDOW_NS} (1 ms) to {MAX_WINDOW_NS} (366 days)")]
    Window(u64),
}

/// Counts in two fixed windows that follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Counts {
    /// Number of the current window since 1970.
    pub(super) index: u64,
    pub(super) previous: u32,
    pub(super) current: u32,
}

impl Counts {
    /// The counts of `state`, turned to the window of `now`.
    pub(super) fn at(state: Option<State>, now: u64, window_ns: u64) -> Self {
        let index = now / window_ns;
        let Some(stored) = state.map(|state| Self::stored(state, window_ns)) else {
            return Self {
                index,
                previous: 0,
                current: 0,
            };
        };
        match index.checked_sub(stored.index) {
            None => {
                let current = stored.current.saturating_add(stored.previous);
                Self {
                    index,
                    previous: 0,
                    current,
                }
            }
            Some(0) => stored,
            Some(1) => Self {
                index,
                previous: stored.current,
                current: 0,
            },
            Some(_) => Self {
                index,
                previous: 0,
                current: 0,
            },
        }
    }

    /// Whether `state`, which these counts were made from, is of a later window: unless it is stored as these counts, it
    /// stays late until the clock is there again.
    pub(super) fn turned_back(&self, state: Option<State>, window_ns: u64) -> bool {
        state.is_some_and(|state| Self::stored(state, window_ns).index > self.index)
    }

    pub(super) const fn stored(state: State, window_ns: u64) -> Self {
        Self {
            index: (state.expires / window_ns).saturating_sub(2),
            previous: (state.word >> 32) as u32,
            current: state.word as u32,
        }
    }

    pub(super) const fn state(&self, window_ns: u64) -> State {
        State {
            expires: self.index.saturating_add(2).saturating_mul(window_ns),
            word: (self.previous as u64) << 32 | self.current as u64,
        }
    }

    pub(super) const fn take(&mut self, cost: u64) {
        self.current = self.current.saturating_add(narrow(cost));
    }

    /// When these counts are all forgotten.
    pub(super) const fn until(&self, window_ns: u64) -> u64 {
        let windows = match (self.previous, self.current) {
            (0, 0) => 0,
            (_, 0) => 1,
            _ => 2,
        };
        self.index.saturating_add(windows).saturating_mul(window_ns)
    }
}

const fn narrow(cost: u64) -> u32 {
    if cost > u32::MAX as u64 {
        u32::MAX
    } else {
        cost as u32
    }
}

impl SlidingWindow {
    /// At most `limit` units in `window_ns`.
    pub const fn try_new(limit: u32, window_ns: u64) -> Result<Self, WindowError> {
        if limit == 0 {
            return Err(WindowError::NoLimit);
        }
        if window_ns < MIN_WINDOW_NS || window_ns > MAX_WINDOW_NS {
            return Err(WindowError::Window(window_ns));
        }
        Ok(Self { limit, window_ns })
    }

    /// What the cell says to a request of `cost` units, and the state to store, if it is another. Cost 0 is a look: it
    /// stores nothing, and is denied only while more than the limit has been counted.
    pub fn check(&self, state: Option<State>, now: u64, cost: u64) -> (Verdict, Option<State>) {
        let mut counts = Counts::at(state, now, self.window_ns);
        let estimate = self.estimate(&counts, now);
        if estimate.saturating_add(cost) > u64::from(self.limit) {
            let turned_back = cost > 0 && counts.turned_back(state, self.window_ns);
            let store = turned_back.then(|| counts.state(self.window_ns));
            return (self.deny(&counts, now, cost), store);
        }
        counts.take(cost);
        let verdict = Verdict::Allow {
            remaining: self.remaining(&counts, now),
            reset_ns: counts.until(self.window_ns).saturating_sub(now),
        };
        (verdict, (cost > 0).then(|| counts.state(self.window_ns)))
    }

    /// Whether `state` is of a later window than `now`: the clock has stepped back, or `now` was read before another worker
    /// wrote the state.
    pub fn is_ahead(&self, state: Option<State>, now: u64) -> bool {
        Counts::at(state, now, self.window_ns).turned_back(state, self.window_ns)
    }

    /// The state after `cost` units that were used whatever the cell says. What goes beyond the limit is a debt that is
    /// forgotten after two windows.
    pub fn charge(&self, state: Option<State>, now: u64, cost: u64) -> State {
        let mut counts = Counts::at(state, now, self.window_ns);
        counts.take(cost);
        counts.state(self.window_ns)
    }

    /// The state after `cost` units were given back that a check has just taken.
    pub fn refund(&self, state: State, cost: u64) -> State {
        let mut counts = Counts::stored(state, self.window_ns);
        let cost = narrow(cost);
        let rest = cost.saturating_sub(counts.current);
        counts.current = counts.current.saturating_sub(cost);
        counts.previous = counts.previous.saturating_sub(rest);
        counts.state(self.window_ns)
    }

    /// Units in the window that ends now, as far as two counts tell.
    fn estimate(&self, counts: &Counts, now: u64) -> u64 {
        let covered = self.window_ns - now % self.window_ns;
        let previous = u128::from(counts.previous) * u128::from(covered);
        let weighted = previous.div_ceil(u128::from(self.window_ns)) as u64;
        weighted.saturating_add(u64::from(counts.current))
    }

    fn remaining(&self, counts: &Counts, now: u64) -> u64 {
        u64::from(self.limit).saturating_sub(self.estimate(counts, now))
    }

    fn deny(&self, counts: &Counts, now: u64, cost: u64) -> Verdict {
        Verdict::Deny {
            remaining: self.remaining(counts, now),
            retry_after_ns: self.retry_after(counts, now, cost),
            reset_ns: counts.until(self.window_ns).saturating_sub(now),
        }
    }

    /// When `cost` more units would fit: still in this window, or in the next, where this one is the previous.
    fn retry_after(&self, counts: &Counts, now: u64, cost: u64) -> Option<u64> {
        let room = u64::from(self.limit).checked_sub(cost)?;
        let passed = now % self.window_ns;
        if let Some(room) = room.checked_sub(u64::from(counts.current)) {
            return Some(self.faded(counts.previous, room).saturating_sub(passed));
        }
        Some(self.window_ns - passed + self.faded(counts.current, room))
    }

    /// How much of a window has to pass before `previous` units of the one before it count for at most `room`.
    fn faded(&self, previous: u32, room: u64) -> u64 {
        let covered = u128::from(room) * u128::from(self.window_ns);
        let covered = covered.checked_div(u128::from(previous)).unwrap_or(u128::MAX);
        self.window_ns
            .saturating_sub(u64::try_from(covered).unwrap_or(u64::MAX))
    }
}
