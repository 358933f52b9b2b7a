//! The board: what the one worker that speaks with the control plane tells all workers of its process.
//!
//! It holds the epoch of each limit whose counts were reset, and the process's share of each of the fleet's limits. It
//! is one value of shared data. A worker reads it anew when its copy is older than [`FRESH_NS`], so no worker uses a share
//! for longer than that after another has come in its place; what a process says that it holds takes this into account.

mod bytes;
mod leases;

use weir_policy::document::rate_limit_policy::limit::WhenLost;
use weir_policy::proxy::{Share, WHOLE};
use weir_quota::cell::Rate;
use weir_quota::lease::lapsed;
use weir_quota::share::ShareRecord;

use crate::key::Fingerprint;
use crate::limit::{Limit, LimitId};

/// How old a worker's copy may be, nanoseconds.
pub const FRESH_NS: u64 = 100_000_000;
/// A worker may use the share before the newest one for so long: twice what its copy may be old, for it reads the clock
/// before it reads the board.
const STALE_NS: u64 = 2 * FRESH_NS;

/// What all workers of a process know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Board {
    /// When the process began to keep quotas of the fleet without having heard of any share, Unix nanoseconds.
    born: u64,
    /// How many reports were made.
    reports: u64,
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
    /// How many processes share the limits.
    proxies: u32,
}

/// What is known of one limit.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    limit: LimitId,
    epoch: u32,
    /// The share of keys without one of their own.
    base: Option<Granted>,
    /// Sorted by key.
    keys: Vec<(Fingerprint, Granted)>,
}

/// A share, and the most of those before it that some workers may still use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Granted {
    record: ShareRecord,
    before: Share,
    /// The key has the limit's share again; its record stays until no worker uses the one before.
    leaving: bool,
}

impl Board {
    /// A board on which nothing stands.
    pub fn new(born: u64) -> Self {
        Self {
            born,
            reports: 0,
            lease: None,
            limits: Vec::new(),
        }
    }

    /// When the process began to keep quotas: tells it from others, and from itself after a restart. Unix nanoseconds.
    pub fn born(&self) -> u64 {
        self.born
    }

    /// Counts a report; its number.
    pub fn count_report(&mut self) -> u64 {
        self.reports = self.reports.saturating_add(1);
        self.reports
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

    /// The process's share of a key, whatever its epoch, at `now`; none where the quota is not the fleet's.
    pub fn share(&self, limit: &Limit, key: Fingerprint, now: u64) -> Option<ShareRecord> {
        self.granted(limit, Some(key), now).map(|granted| granted.record)
    }

    /// What stands on the board of a key, or of keys without a share of their own, and what has come of it since.
    fn granted(&self, limit: &Limit, key: Option<Fingerprint>, now: u64) -> Option<Granted> {
        let (fleet, rate) = (limit.fleet()?, limit.quota().rate()?);
        let found = self.entry(limit.id()).and_then(|entry| match key {
            Some(key) => entry.granted(key),
            None => entry.base,
        });
        Some(match (found, self.lease) {
            (Some(granted), Some(lease)) => lease.covers(granted, fleet.when_lost, rate, now),
            (Some(granted), None) => granted,
            (None, _) => Granted::unheard(ShareRecord::first(WHOLE / fleet.proxies.max(1), self.born, rate)),
        })
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

    fn granted(&self, key: Fingerprint) -> Option<Granted> {
        self.own(key).or(self.base)
    }

    fn own(&self, key: Fingerprint) -> Option<Granted> {
        let place = self.keys.binary_search_by_key(&key, |(known, _)| *known).ok()?;
        self.keys.get(place).map(|(_, granted)| *granted)
    }
}

impl Granted {
    /// A process that has never heard of a share has had no other one.
    const fn unheard(record: ShareRecord) -> Self {
        Self {
            record,
            before: record.share(),
            leaving: false,
        }
    }

    /// After another grant, at `now`.
    fn next(self, record: ShareRecord, now: u64) -> Self {
        Self {
            record,
            before: self.held(now),
            leaving: false,
        }
    }

    /// The most that any worker may still use at `now`.
    fn held(self, now: u64) -> Share {
        let share = self.record.share();
        if now.abs_diff(self.record.granted_at()) < STALE_NS {
            share.max(self.before)
        } else {
            share
        }
    }
}

impl Lease {
    /// What a share comes to at `now`: itself during the lease; then no more than an equal share; after a second lease's time
    /// what the policy says. Every worker finds the same, whenever it looks.
    fn covers(self, granted: Granted, when_lost: WhenLost, rate: &Rate, now: u64) -> Granted {
        if now <= self.ends {
            return granted;
        }
        let share = granted.record.share();
        let after = |leases| lapsed(share, self.proxies, when_lost, leases, 1);
        let first = granted.next(granted.record.grant(after(1), self.ends, rate), self.ends);
        let second_end = self.ends.saturating_add(self.length);
        if now <= second_end {
            return first;
        }
        first.next(first.record.grant(after(2), second_end, rate), second_end)
    }
}
