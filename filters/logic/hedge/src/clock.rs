//! How much time passed between two readings of a clock that may step.

/// A step back that is no larger is none: workers read the clock in one order and write in another. Nanoseconds.
const OUT_OF_ORDER_NS: u64 = 1_000_000_000;

/// Nanoseconds from `at` to `now`, none for a step back. `at` becomes the reading to go on from.
pub(crate) const fn passed(at: &mut u64, now: u64) -> u64 {
    let elapsed = now.saturating_sub(*at);
    if elapsed > 0 || at.saturating_sub(now) > OUT_OF_ORDER_NS {
        *at = now;
    }
    elapsed
}
