//! A table of cells in few values of shared data.

use std::cmp::Reverse;

use crate::cell::State;

/// Most entries of a bucket.
pub const MAX_ENTRIES: usize = 16;
/// Bytes of an entry.
const ENTRY_BYTES: usize = 24;
/// Entries that a bucket is meant to have.
const AVERAGE_ENTRIES: u32 = 4;

/// The bits of a fingerprint that name the limit of its key. Limits with the same ones count as one where a bucket is full.
pub const LIMIT_BITS: u64 = 0xfff << 32;
/// The bits above them choose a bucket.
const MAX_BUCKET_BITS: u32 = LIMIT_BITS.leading_zeros();

/// How keys are spread over buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    bits: u32,
}

impl Layout {
    /// Buckets for `max_keys` keys at a time, four or fewer of them in a bucket on average: a power of two. With
    /// fingerprints evenly spread about one bucket in a million then has more keys than the 16 that fit. More than four
    /// million keys have to do with what four million get.
    pub const fn for_keys(max_keys: u32) -> Self {
        let buckets = max_keys.div_ceil(AVERAGE_ENTRIES) as u64;
        let bits = buckets.next_power_of_two().trailing_zeros();
        Self {
            bits: if bits < MAX_BUCKET_BITS {
                bits
            } else {
                MAX_BUCKET_BITS
            },
        }
    }

    /// How many buckets there are, at most 2^20.
    pub const fn buckets(&self) -> u32 {
        1 << self.bits
    }

    /// The bucket of a key: the fingerprint's high bits.
    pub const fn bucket_of(&self, fingerprint: u64) -> u32 {
        match fingerprint.checked_shr(u64::BITS - self.bits) {
            Some(bucket) => bucket as u32,
            None => 0,
        }
    }
}

/// The states of up to 16 keys, told apart by their fingerprints.
///
/// Who can choose keys can choose many of one bucket, so a full bucket is divided among limits ([`LIMIT_BITS`]): what has
/// to go for a new key is an entry of the limit that has the most, the new one counted, and rather of the new key's own
/// limit than of another that has as many. Of `n` limits in a bucket each keeps up to `16 / n` entries, whatever keys the
/// others have. Within a limit, the entry goes that expires first.
///
/// As bytes, an entry is fingerprint, `expires` and `word`, each a u64 little-endian; the order has no meaning. Bytes of
/// another length than whole entries, or of too many, are an empty bucket: whatever else uses the key, nothing breaks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    /// Whole entries, as they came: a request reads one of them and writes one.
    bytes: Vec<u8>,
}

/// One entry, as bytes.
type Entry = [u8; ENTRY_BYTES];

/// What had to go for an entry that was put.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Put {
    /// Entries that had expired: nothing is lost by it.
    pub expired: usize,
    /// An entry that had not, of a bucket that was full: its key starts anew.
    pub evicted: Option<(u64, State)>,
}

fn entry(fingerprint: u64, state: State) -> Entry {
    let mut entry = [0; ENTRY_BYTES];
    let words = [fingerprint, state.expires, state.word];
    entry
        .as_chunks_mut()
        .0
        .copy_from_slice(&words.map(u64::to_le_bytes));
    entry
}

fn word(entry: &Entry, number: usize) -> u64 {
    let (words, _) = entry.as_chunks();
    words.get(number).copied().map_or(0, u64::from_le_bytes)
}

fn fingerprint(entry: &Entry) -> u64 {
    word(entry, 0)
}

fn limit(entry: &Entry) -> u64 {
    fingerprint(entry) & LIMIT_BITS
}

fn expires(entry: &Entry) -> u64 {
    word(entry, 1)
}

fn state(entry: &Entry) -> State {
    State {
        expires: expires(entry),
        word: word(entry, 2),
    }
}

impl Bucket {
    /// The bucket of bytes from shared data.
    pub fn parse(bytes: Vec<u8>) -> Self {
        let (entries, rest) = bytes.as_chunks::<ENTRY_BYTES>();
        if !rest.is_empty() || entries.len() > MAX_ENTRIES {
            return Self::default();
        }
        Self { bytes }
    }

    /// The bucket as bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn entries(&self) -> &[Entry] {
        self.bytes.as_chunks().0
    }

    fn position(&self, key: u64) -> Option<usize> {
        self.entries().iter().position(|entry| fingerprint(entry) == key)
    }

    /// The state of a key. An expired one is still there, until its place is needed.
    pub fn get(&self, key: u64) -> Option<State> {
        self.entries()
            .iter()
            .find(|entry| fingerprint(entry) == key)
            .map(state)
    }

    /// Sets the state of a key. A full bucket first drops what has expired by `now`, then, if it must, the first to expire
    /// of the limit that has the most entries.
    pub fn put(&mut self, key: u64, state: State, now: u64) -> Put {
        let new = entry(key, state);
        let entries = self.bytes.as_chunks_mut::<ENTRY_BYTES>().0;
        if let Some(known) = entries.iter_mut().find(|known| fingerprint(known) == key) {
            *known = new;
            return Put::default();
        }
        let mut put = Put::default();
        if self.entries().len() >= MAX_ENTRIES {
            put.expired = self.sweep(now);
        }
        self.bytes.extend_from_slice(&new);
        if self.entries().len() > MAX_ENTRIES {
            put.evicted = self.evict();
        }
        put
    }

    /// Forgets a key, and gives back what was known of it.
    pub fn remove(&mut self, key: u64) -> Option<State> {
        let at = self.position(key)?;
        self.take(at).map(|(_, state)| state)
    }

    /// Drops what has expired by `now`, and says how many entries that were.
    pub fn sweep(&mut self, now: u64) -> usize {
        let before = self.entries().len();
        let live = self.entries().iter().filter(|entry| expires(entry) > now);
        self.bytes = live.flatten().copied().collect();
        before - self.entries().len()
    }

    /// How many entries have not expired by `now`.
    pub fn live(&self, now: u64) -> usize {
        let live = self.entries().iter().filter(|entry| expires(entry) > now);
        live.count()
    }

    /// Takes out what has to go for the last entry.
    fn evict(&mut self) -> Option<(u64, State)> {
        let (new, others) = self.entries().split_last()?;
        let rank = |entry: &Entry| {
            let same = self.entries().iter().filter(|other| limit(other) == limit(entry));
            Reverse(2 * same.count() + usize::from(limit(entry) == limit(new)))
        };
        let others = others.iter().enumerate();
        let (at, _) = others.min_by_key(|(_, entry)| (rank(entry), expires(entry)))?;
        self.take(at)
    }

    /// Takes an entry out; the last one comes in its place.
    fn take(&mut self, at: usize) -> Option<(u64, State)> {
        let (last, before) = self.bytes.as_chunks_mut::<ENTRY_BYTES>().0.split_last_mut()?;
        if let Some(taken) = before.get_mut(at) {
            std::mem::swap(taken, last);
        }
        let taken = (fingerprint(last), state(last));
        self.bytes.truncate(self.bytes.len() - ENTRY_BYTES);
        Some(taken)
    }
}
