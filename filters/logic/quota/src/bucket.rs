//! A table of cells in few values of shared data.

use crate::cell::State;

/// Most entries of a bucket.
pub const MAX_ENTRIES: usize = 16;
/// Bytes of an entry.
const ENTRY_BYTES: usize = 24;
/// Entries that a bucket is meant to have.
const AVERAGE_ENTRIES: u32 = 4;

/// How keys are spread over buckets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    bits: u32,
}

impl Layout {
    /// Buckets for `max_keys` keys at a time, four or fewer of them in a bucket on average: a power of two. With
    /// fingerprints evenly spread about one bucket in a million then has more keys than the 16 that fit.
    pub const fn for_keys(max_keys: u32) -> Self {
        let buckets = max_keys.div_ceil(AVERAGE_ENTRIES) as u64;
        Self {
            bits: buckets.next_power_of_two().trailing_zeros(),
        }
    }

    /// How many buckets there are, at most 2^30.
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
/// As bytes, an entry is fingerprint, `expires` and `word`, each a u64 little-endian; the order has no meaning. Bytes of
/// another length than whole entries, or of too many, are an empty bucket: whatever else uses the key, nothing breaks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    entries: Vec<Entry>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    fingerprint: u64,
    state: State,
}

/// What had to go for an entry that was put.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Put {
    /// Entries that had expired: nothing is lost by it.
    pub expired: usize,
    /// The entry that would have expired first, of a bucket that was full: its key starts anew.
    pub evicted: Option<(u64, State)>,
}

impl Entry {
    fn parse(bytes: &[u8; ENTRY_BYTES]) -> Option<Self> {
        let [fingerprint, expires, word] = bytes.as_chunks::<8>().0 else {
            return None;
        };
        let [fingerprint, expires, word] =
            [fingerprint, expires, word].map(|bytes| u64::from_le_bytes(*bytes));
        Some(Self {
            fingerprint,
            state: State { expires, word },
        })
    }

    fn bytes(&self) -> [[u8; 8]; 3] {
        [self.fingerprint, self.state.expires, self.state.word].map(u64::to_le_bytes)
    }
}

impl Bucket {
    /// The bucket of bytes from shared data.
    pub fn parse(bytes: &[u8]) -> Self {
        let (entries, rest) = bytes.as_chunks::<ENTRY_BYTES>();
        if !rest.is_empty() || entries.len() > MAX_ENTRIES {
            return Self::default();
        }
        Self {
            entries: entries.iter().filter_map(Entry::parse).collect(),
        }
    }

    /// The bucket as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.entries.len() * ENTRY_BYTES);
        for entry in &self.entries {
            bytes.extend_from_slice(entry.bytes().as_flattened());
        }
        bytes
    }

    /// The state of a key. An expired one is still there, until its place is needed.
    pub fn get(&self, fingerprint: u64) -> Option<State> {
        let entry = self
            .entries
            .iter()
            .find(|entry| entry.fingerprint == fingerprint)?;
        Some(entry.state)
    }

    /// Sets the state of a key. A full bucket first drops what has expired by `now`, then, if it must, the entry that
    /// expires first.
    pub fn put(&mut self, fingerprint: u64, state: State, now: u64) -> Put {
        if let Some(entry) = self
            .entries
            .iter_mut()
            .find(|entry| entry.fingerprint == fingerprint)
        {
            entry.state = state;
            return Put::default();
        }
        let mut put = Put::default();
        if self.entries.len() >= MAX_ENTRIES {
            put.expired = self.sweep(now);
        }
        if self.entries.len() >= MAX_ENTRIES {
            put.evicted = self.evict();
        }
        self.entries.push(Entry { fingerprint, state });
        put
    }

    /// Forgets a key, and gives back what was known of it.
    pub fn remove(&mut self, fingerprint: u64) -> Option<State> {
        let at = self
            .entries
            .iter()
            .position(|entry| entry.fingerprint == fingerprint)?;
        Some(self.entries.swap_remove(at).state)
    }

    /// Drops what has expired by `now`, and says how many entries that were.
    pub fn sweep(&mut self, now: u64) -> usize {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.state.expires > now);
        before - self.entries.len()
    }

    /// How many entries have not expired by `now`.
    pub fn live(&self, now: u64) -> usize {
        self.entries
            .iter()
            .filter(|entry| entry.state.expires > now)
            .count()
    }

    fn evict(&mut self) -> Option<(u64, State)> {
        let first = self
            .entries
            .iter()
            .enumerate()
            .min_by_key(|(_, entry)| entry.state.expires);
        let (at, _) = first?;
        let entry = self.entries.swap_remove(at);
        Some((entry.fingerprint, entry.state))
    }
}
