//! Shares on the board: what is reported of them, and what comes of an answer.

use weir_policy::proxy::{KeyReport, LeaseAnswer, LimitGrant, LimitReport, Share};
use weir_quota::cell::Rate;
use weir_quota::share::ShareRecord;

use super::{Board, Entry, Granted, Lease, STALE_NS};
use crate::demand::Demand;
use crate::key::Fingerprint;
use crate::limit::Limit;

/// The most keys of a limit with a share of their own.
const MAX_KEYS: usize = 256;
const NANOS_PER_MILLI: u64 = 1_000_000;

impl Board {
    /// What to report of the fleet's limits; `asked` is what was asked for in the last second.
    pub fn report<'l>(
        &self,
        limits: impl Iterator<Item = &'l Limit>,
        asked: &Demand,
        now: u64,
    ) -> Vec<LimitReport> {
        limits.map(|limit| self.report_one(limit, asked, now)).collect()
    }

    fn report_one(&self, limit: &Limit, asked: &Demand, now: u64) -> LimitReport {
        let own = self.entry(limit.id()).map(|entry| entry.keys.as_slice());
        let own = own.unwrap_or_default().iter().map(|(key, _)| *key);
        let mut keys: Vec<Fingerprint> = own.collect();
        for entry in asked.of(limit.id()).filter(|entry| entry.total > 0) {
            if keys.len() < MAX_KEYS && !keys.contains(&entry.key) {
                keys.push(entry.key);
            }
        }
        let held = |key| self.held(limit, key, now);
        let report = |key: Fingerprint| KeyReport {
            key: format!("{:016x}", key.0),
            demand: asked.total(limit.id(), key),
            held: held(Some(key)),
        };
        LimitReport {
            limit: limit.path().to_owned(),
            held: held(None),
            keys: keys.into_iter().map(report).collect(),
        }
    }

    /// The most that any worker may still use.
    fn held(&self, limit: &Limit, key: Option<Fingerprint>, now: u64) -> Share {
        let granted = self.granted(limit, key, now);
        granted.map_or(0, |granted| granted.held(now))
    }

    /// Takes an answer to a report that was sent at `sent`. An answer that comes after its leases have ended says nothing.
    pub fn apply<'l>(
        &mut self,
        answer: &LeaseAnswer,
        limits: impl Iterator<Item = &'l Limit>,
        sent: u64,
        now: u64,
    ) {
        let length = answer.lease_ms.saturating_mul(NANOS_PER_MILLI);
        let ends = sent.saturating_add(length);
        if ends <= now {
            return;
        }
        let before = self.clone();
        self.lease = Some(Lease {
            ends,
            length,
            proxies: answer.proxies,
        });
        for limit in limits {
            let grant = answer.limits.iter().find(|grant| grant.limit == limit.path());
            if let (Some(grant), Some(rate)) = (grant, limit.quota().rate()) {
                let former = Former {
                    board: &before,
                    limit,
                    now,
                };
                former.take_grant(self.entry_mut(limit.id()), rate, grant);
            }
        }
    }
}

/// The board as it was, from which the shares of a limit go on as they are by now.
struct Former<'b> {
    board: &'b Board,
    limit: &'b Limit,
    now: u64,
}

impl Former<'_> {
    fn take_grant(&self, entry: &mut Entry, rate: &Rate, grant: &LimitGrant) {
        let Some(base) = self.record(None) else {
            return;
        };
        let known = std::mem::take(&mut entry.keys);
        let own = |key| known.iter().find(|(other, own)| *other == key && !own.leaving);
        for granted in grant.keys.iter().take(MAX_KEYS) {
            let Ok(key) = u64::from_str_radix(&granted.key, 16).map(Fingerprint) else {
                continue;
            };
            let record = match self.record(Some(key)).filter(|_| own(key).is_some()) {
                Some(record) => record.grant(granted.share, self.now, rate),
                None => base.listed(granted.share, self.now, rate),
            };
            entry.put(key, self.granted(Some(key), record));
        }
        let base = base.grant(grant.share, self.now, rate);
        for (key, _) in known.iter().filter(|(_, own)| !own.leaving) {
            if entry.own(*key).is_none() {
                let granted = self.granted(Some(*key), base.retired(self.now, rate));
                entry.put(
                    *key,
                    Granted {
                        leaving: true,
                        ..granted
                    },
                );
            }
        }
        // A key that has left is one of all others, but some workers may still use the share that it had.
        let left = known.iter().filter(|(key, _)| entry.own(*key).is_none());
        let most = left.map(|(key, _)| self.used(Some(*key))).max();
        let granted = self.granted(None, base);
        entry.base = Some(Granted {
            before: granted.before.max(most.unwrap_or(0)),
            ..granted
        });
    }

    fn record(&self, key: Option<Fingerprint>) -> Option<ShareRecord> {
        let granted = self.board.granted(self.limit, key, self.now);
        granted.map(|granted| granted.record)
    }

    fn granted(&self, key: Option<Fingerprint>, record: ShareRecord) -> Granted {
        Granted {
            record,
            before: self.used(key),
            leaving: false,
        }
    }

    /// Some workers still go by the board as it was, and it says what a share comes to when a lease ends meanwhile.
    fn used(&self, key: Option<Fingerprint>) -> Share {
        let held = |at| self.board.held(self.limit, key, at);
        held(self.now).max(held(self.now.saturating_add(STALE_NS)))
    }
}

impl Entry {
    fn put(&mut self, key: Fingerprint, granted: Granted) {
        match self.keys.binary_search_by_key(&key, |(known, _)| *known) {
            Ok(place) => {
                if let Some((_, known)) = self.keys.get_mut(place) {
                    *known = granted;
                }
            }
            Err(place) => self.keys.insert(place, (key, granted)),
        }
    }
}
