//! A pane as bytes.
//!
//! A byte for the format, then each bucket: how far it is from the one before it and which of the three counts it has (8 times
//! the distance, plus a bit for each), then those counts; all numbers seven bits a byte. A bucket mostly has two or three bytes.

use super::{Entry, Pane, bucket};
use crate::wire;

const FORMAT: u8 = 1;
const COMPLETE: u64 = 1;
const CENSORED: u64 = 2;
const ENDED: u64 = 4;
const FLAGS: u64 = 8;

/// Why bytes are no pane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PaneError {
    /// They don't begin with a format that is known.
    #[error("unknown format of a pane: expected {FORMAT}")]
    Format,
    /// They end in the middle of a number, or have one that is too large.
    #[error("a pane's number is cut off, or too large")]
    Number,
    /// A bucket does not come after the one before it, or is none.
    #[error("no such bucket of a pane: expected ascending ones, up to {}", bucket::LAST)]
    Bucket,
    /// A bucket without a count, more samples than a pane takes, or a censored sample without an end.
    #[error("a pane's counts don't go together")]
    Count,
}

impl Pane {
    /// The pane as bytes: at most 11 KiB, some hundreds as a rule.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![FORMAT];
        let mut next = 0;
        for entry in &self.entries {
            put(&mut bytes, entry, next);
            next = entry.bucket + 1;
        }
        bytes
    }

    /// The pane of bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, PaneError> {
        let Some((&FORMAT, mut bytes)) = bytes.split_first() else {
            return Err(PaneError::Format);
        };
        let mut entries: Vec<Entry> = Vec::new();
        while !bytes.is_empty() {
            let next = entries.last().map_or(0, |entry| entry.bucket + 1);
            entries.push(take(&mut bytes, next)?);
        }
        let samples = samples(&entries).ok_or(PaneError::Count)?;
        Ok(Self { entries, samples })
    }
}

fn put(bytes: &mut Vec<u8>, entry: &Entry, next: u16) {
    let counts = [
        (COMPLETE, entry.complete),
        (CENSORED, entry.censored),
        (ENDED, entry.ended),
    ];
    let there = counts.iter().filter(|(_, count)| *count > 0);
    let flags: u64 = there.clone().map(|(flag, _)| flag).sum();
    wire::put(bytes, u64::from(entry.bucket - next) * FLAGS + flags);
    there.for_each(|(_, count)| wire::put(bytes, u64::from(*count)));
}

/// Reads an entry of bucket `next` or a later one.
fn take(bytes: &mut &[u8], next: u16) -> Result<Entry, PaneError> {
    let head = wire::take(bytes).ok_or(PaneError::Number)?;
    let bucket = (head / FLAGS).saturating_add(u64::from(next));
    let bucket = u16::try_from(bucket)
        .ok()
        .filter(|bucket| *bucket <= bucket::LAST);
    let mut count = |flag| {
        if head & flag == 0 {
            return Ok(0);
        }
        wire::take_u32(bytes).ok_or(PaneError::Number)
    };
    let entry = Entry {
        bucket: bucket.ok_or(PaneError::Bucket)?,
        complete: count(COMPLETE)?,
        censored: count(CENSORED)?,
        ended: count(ENDED)?,
    };
    if entry.is_empty() {
        return Err(PaneError::Count);
    }
    Ok(entry)
}

/// How many samples the entries have, if as many ended as were censored.
fn samples(entries: &[Entry]) -> Option<u32> {
    let sum = |count: fn(&Entry) -> u32| entries.iter().map(|entry| u64::from(count(entry))).sum::<u64>();
    let censored = sum(|entry| entry.censored);
    let samples = u32::try_from(sum(|entry| entry.complete) + censored).ok()?;
    (sum(|entry| entry.ended) == censored).then_some(samples)
}
