//! How much of the fleet's limits was asked for: counted by each worker, added up in one value that all workers share.
//!
//! Totals only grow; whoever wants a rate keeps the totals of an earlier time. The table is bounded: a key that finds no
//! place takes that of the key that was asked for least, whose total is lost.

use crate::key::Fingerprint;
use crate::limit::LimitId;

/// The most keys of a table.
const CAPACITY: usize = 1_024;
/// The first bytes of a table of this layout.
const MAGIC: [u8; 8] = *b"weirdem1";
/// Three integers of eight bytes, little-endian.
const ENTRY_BYTES: usize = 24;

/// Units asked for, by limit and key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Demand {
    /// Sorted by limit and key.
    entries: Vec<Entry>,
}

/// What was asked for of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The limit.
    pub limit: LimitId,
    /// The key.
    pub key: Fingerprint,
    /// Units, ever.
    pub total: u64,
}

impl Demand {
    /// Reads a table; bytes that are none are an empty one.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let entries = bytes.strip_prefix(&MAGIC).unwrap_or_default();
        let (entries, _) = entries.as_chunks::<ENTRY_BYTES>();
        let mut demand = Self::default();
        for entry in entries.iter().take(CAPACITY) {
            let (words, _) = entry.as_chunks::<8>();
            if let [limit, key, total] = words {
                let [limit, key, total] = [limit, key, total].map(|word| u64::from_le_bytes(*word));
                demand.add(LimitId(limit), Fingerprint(key), total);
            }
        }
        demand
    }

    /// The table as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(MAGIC.len() + self.entries.len() * ENTRY_BYTES);
        bytes.extend_from_slice(&MAGIC);
        for entry in &self.entries {
            for word in [entry.limit.0, entry.key.0, entry.total] {
                bytes.extend_from_slice(&word.to_le_bytes());
            }
        }
        bytes
    }

    /// Adds units to a key.
    pub fn add(&mut self, limit: LimitId, key: Fingerprint, units: u64) {
        match self.place(limit, key) {
            Ok(place) => {
                if let Some(entry) = self.entries.get_mut(place) {
                    entry.total = entry.total.saturating_add(units);
                }
            }
            Err(_) => self.insert(Entry {
                limit,
                key,
                total: units,
            }),
        }
    }

    /// Adds all that another table has.
    pub fn add_all(&mut self, other: &Self) {
        for entry in &other.entries {
            self.add(entry.limit, entry.key, entry.total);
        }
    }

    /// What was ever asked for of a key.
    pub fn total(&self, limit: LimitId, key: Fingerprint) -> u64 {
        let place = self.place(limit, key).ok();
        place
            .and_then(|place| self.entries.get(place))
            .map_or(0, |entry| entry.total)
    }

    /// The keys of one limit.
    pub fn of(&self, limit: LimitId) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| entry.limit == limit)
    }

    /// What was asked for in each `per` nanoseconds since `before`, which was `elapsed` nanoseconds ago.
    #[must_use]
    pub fn since(&self, before: &Self, elapsed: u64, per: u64) -> Self {
        let rate = |entry: &Entry| {
            let more = entry.total.saturating_sub(before.total(entry.limit, entry.key));
            let rate = u128::from(more) * u128::from(per) / u128::from(elapsed.max(1));
            Entry {
                total: u64::try_from(rate).unwrap_or(u64::MAX),
                ..*entry
            }
        };
        Self {
            entries: self.entries.iter().map(rate).collect(),
        }
    }

    /// Whether nothing was asked for.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn place(&self, limit: LimitId, key: Fingerprint) -> Result<usize, usize> {
        self.entries
            .binary_search_by_key(&(limit, key), |entry| (entry.limit, entry.key))
    }

    fn insert(&mut self, entry: Entry) {
        if self.entries.len() >= CAPACITY {
            let least = self
                .entries
                .iter()
                .enumerate()
                .min_by_key(|(_, entry)| entry.total);
            if let Some(place) = least.map(|(place, _)| place) {
                self.entries.remove(place);
            }
        }
        if let Err(place) = self.place(entry.limit, entry.key) {
            self.entries.insert(place, entry);
        }
    }
}
