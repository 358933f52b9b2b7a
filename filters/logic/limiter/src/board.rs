//! The board: what the one worker that speaks with the control plane tells all workers of its process.
//!
//! It holds the epoch of each limit whose counts were reset, and the process's share of each of the fleet's limits. It
//! is one value of shared data. A worker reads it anew when its copy is older than [`FRESH_NS`], so no worker uses a share
//! for longer than that after another has come in its place; what a process says that it holds takes this into account.

mod bytes;
mod leases;

use weir_policy::proxy::{Share, WHOLE};
use weir_quota::ShareRecord;

use crate::key::Fingerprint;
use crate::limit::{Limit, LimitId};

/// How old a worker's copy may be, nanoseconds.
pub const FRESH_NS: u64 = 100_000_000;

/// What all workers of a process know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Board {
    /// When the process began to keep quotas of the fleet without having heard of any share, Unix nanoseconds.
    born: u64,
    /// The number of the last grant.
    grants: u32,
    /// When the lease ends, and how long it was, nanoseconds.
    lease: Option<Lease>,
    /// Sorted by id.
    limits: Vec<Entry>,
}

/// How long shares may be used, and what comes then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Lease {
    /// Unix nanoseconds.
    ends: u64,
    /// Nanoseconds.
    length: u64,
    /// What each process has when all have the same.
    equal: Share,
}

/// What is known of one limit.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    limit: LimitId,
    epoch: u32,
    /// The share of keys without one of their own.
    base: Option<ShareRecord>,
    /// Sorted by key.
    keys: Vec<(Fingerprint, ShareRecord)>,
}

impl Board {
    /// A board on which nothing stands.
    pub fn new(born: u64) -> Self {
        Self {
            born,
            grants: 0,
            lease: None,
            limits: Vec::new(),
        }
    }

    /// How often the limit's counts were reset.
    pub fn epoch(&self, limit: LimitId) -> u32 {
        self.entry(limit).map_or(0, |entry| entry.epoch)
    }

    /// Resets the limit's counts: all of its keys become others.
    pub fn reset(&mut self, limit: LimitId) {
        let entry = self.entry_mut(limit);
        entry.epoch = entry.epoch.wrapping_add(1);
    }

    /// The process's share of a key at `now`; none where the quota is not the fleet's.
    pub fn share(&self, limit: &Limit, key: Fingerprint, now: u64) -> Option<ShareRecord> {
        let fleet = limit.fleet()?;
        let record = self.entry(limit.id()).and_then(|entry| entry.record(key));
        Some(match record {
            Some(record) => record.at_most(self.most(fleet.when_lost, now)),
            None => self.unknown(limit, fleet.proxies),
        })
    }

    /// The share of a process that has never heard of any, with nothing in its bucket.
    fn unknown(&self, limit: &Limit, proxies: u32) -> ShareRecord {
        let share = WHOLE / proxies.max(1);
        ShareRecord::first(share, limit.quota().tolerance_ns(), 0, self.born)
    }

    fn entry(&self, limit: LimitId) -> Option<&Entry> {
        let place = self.place(limit).ok()?;
        self.limits.get(place)
    }

    fn place(&self, limit: LimitId) -> Result<usize, usize> {
        self.limits.binary_search_by_key(&limit, |entry| entry.limit)
    }

    fn entry_mut(&mut self, limit: LimitId) -> &mut Entry {
        let place = match self.place(limit) {
            Ok(place) => place,
            Err(place) => {
                self.limits.insert(place, Entry::new(limit));
                place
            }
        };
        // `place` is in bounds: it was found or filled just now.
        #[allow(clippy::indexing_slicing, reason = "found or filled above")]
        &mut self.limits[place]
    }
}

impl Entry {
    const fn new(limit: LimitId) -> Self {
        Self {
            limit,
            epoch: 0,
            base: None,
            keys: Vec::new(),
        }
    }

    fn record(&self, key: Fingerprint) -> Option<ShareRecord> {
        let place = self.keys.binary_search_by_key(&key, |(known, _)| *known);
        let own = place.ok().and_then(|place| self.keys.get(place));
        own.map(|(_, record)| *record).or(self.base)
    }
}
