//! How often keys were asked for: a count-min sketch with conservative update, as TinyLFU has it (Einziger, Friedman and
//! Manes, 2017).

/// Counters of a sketch, four bits each.
const COUNTERS: usize = 1024;
/// Bytes of a sketch: two counters a byte, and how many counts there were.
pub(crate) const BYTES: usize = COUNTERS / 2 + 2;
/// After so many counts all are halved.
const PERIOD: u16 = 1_280;
/// Counters that a key has.
const ROWS: u32 = 4;
const MOST: u8 = 15;

/// A sketch as bytes.
pub(crate) type Bytes = [u8; BYTES];

/// The counters of a key.
fn places(fingerprint: u64) -> impl Iterator<Item = usize> {
    // An odd number near 2^64 divided by the golden ratio: the high bits of the product depend on all bits of the key.
    let mixed = fingerprint.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 24;
    (0..ROWS).map(move |row| (mixed >> (10 * row)) as usize % COUNTERS)
}

fn counter(sketch: &Bytes, place: usize) -> u8 {
    let byte = sketch.get(place / 2).copied().unwrap_or_default();
    if place.is_multiple_of(2) {
        byte & MOST
    } else {
        byte >> 4
    }
}

/// How often a key was asked for lately, at least.
pub(crate) fn estimate(sketch: &Bytes, fingerprint: u64) -> u8 {
    let counters = places(fingerprint).map(|place| counter(sketch, place));
    counters.min().unwrap_or_default()
}

/// Counts that a key was asked for.
pub(crate) fn count(sketch: &mut Bytes, fingerprint: u64) {
    let least = estimate(sketch, fingerprint);
    if least == MOST {
        return;
    }
    for place in places(fingerprint) {
        if counter(sketch, place) == least
            && let Some(byte) = sketch.get_mut(place / 2)
        {
            *byte += if place.is_multiple_of(2) { 1 } else { 1 << 4 };
        }
    }
    age(sketch);
}

/// One count more; after enough of them all are halved.
fn age(sketch: &mut Bytes) {
    let (counters, counts) = sketch.split_at_mut(COUNTERS / 2);
    let Some(counts) = counts.first_chunk_mut() else {
        return;
    };
    let mut sum = u16::from_le_bytes(*counts).saturating_add(1);
    if sum >= PERIOD {
        sum /= 2;
        counters.iter_mut().for_each(|two| *two = *two >> 1 & 0x77);
    }
    *counts = sum.to_le_bytes();
}
