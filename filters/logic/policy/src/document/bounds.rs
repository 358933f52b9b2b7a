//! Bounds of quantities.

use std::fmt::Display;
use std::ops::RangeInclusive;

use crate::problem::Problems;
use crate::quantity::Duration;

/// Notes a value of `field` that is not within `range`; whether it is.
pub(super) fn check_range<T: PartialOrd + Display>(
    value: T,
    range: RangeInclusive<T>,
    field: &str,
    reason: &str,
    problems: &mut Problems,
) -> bool {
    let fits = range.contains(&value);
    if !fits {
        let detail = format!("{value}: expected {} to {}", range.start(), range.end());
        problems.note_at(field, reason, detail);
    }
    fits
}

/// The same for a duration.
pub(super) fn check_duration(
    duration: Duration,
    range: RangeInclusive<Duration>,
    field: &str,
    problems: &mut Problems,
) -> bool {
    check_range(duration, range, field, "duration_out_of_range", problems)
}
