//! Virtual time.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// 2026-01-01T00:00:00Z in nanoseconds since the Unix epoch: where every virtual clock starts.
const START: u64 = 1_767_225_600_000_000_000;

/// Two clocks, as a machine has them: a steady one, by which timers run, and a wall clock, which filters read and
/// which can be set.
pub(crate) struct Clock {
    steady: AtomicU64,
    offset: AtomicI64,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self {
            steady: AtomicU64::new(START),
            offset: AtomicI64::new(0),
        }
    }

    /// Nanoseconds on the steady clock.
    pub(crate) fn steady(&self) -> u64 {
        self.steady.load(Ordering::Relaxed)
    }

    /// Moves the steady clock, and the wall clock with it; never back.
    pub(crate) fn advance_to(&self, nanoseconds: u64) {
        self.steady.fetch_max(nanoseconds, Ordering::Relaxed);
    }

    /// Nanoseconds since the Unix epoch on the wall clock.
    pub(crate) fn wall(&self) -> u64 {
        self.steady()
            .saturating_add_signed(self.offset.load(Ordering::Relaxed))
    }

    /// Sets the wall clock forward or back.
    pub(crate) fn step(&self, nanoseconds: i64) {
        self.offset.fetch_add(nanoseconds, Ordering::Relaxed);
    }
}
