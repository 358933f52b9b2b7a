//! The buckets of a pane: 32 to an octave of microseconds, as wide as each other within it.
//!
//! The middle of a bucket is at most 1/64 of its lower end away from either end: 1.6 %.

/// The first octave begins at 2^6 µs; what is shorter has one bucket, number 0.
const FIRST_OCTAVE: u32 = 6;
/// Octaves: up to 2^26 µs, 67 seconds. What is longer is in the last bucket.
const OCTAVES: u32 = 20;
/// Buckets of an octave, as a power of two.
const PARTS_LOG2: u32 = 5;
const PARTS: u32 = 1 << PARTS_LOG2;

/// The last bucket.
pub(super) const LAST: u16 = (OCTAVES * PARTS) as u16;
const NANOS_PER_MICRO: u64 = 1_000;

/// The bucket of a time in nanoseconds.
pub(super) const fn of(ns: u64) -> u16 {
    let us = ns / NANOS_PER_MICRO;
    let octave = match us.checked_ilog2() {
        Some(octave) if octave >= FIRST_OCTAVE => octave,
        _ => return 0,
    };
    if octave >= FIRST_OCTAVE + OCTAVES {
        return LAST;
    }
    let part = (us >> (octave - PARTS_LOG2)) as u32 % PARTS;
    (1 + (octave - FIRST_OCTAVE) * PARTS + part) as u16
}

/// The middle of a bucket, nanoseconds.
pub(super) const fn middle_ns(bucket: u16) -> u64 {
    let Some(place) = (bucket as u32).checked_sub(1) else {
        return (NANOS_PER_MICRO << FIRST_OCTAVE) / 2;
    };
    let width = NANOS_PER_MICRO << (place / PARTS + FIRST_OCTAVE - PARTS_LOG2);
    (PARTS + place % PARTS) as u64 * width + width / 2
}
