//! Shares on the board: what is reported of them, and what comes of an answer.

use weir_policy::document::rate_limit_policy::limit::WhenLost;
use weir_policy::proxy::{KeyReport, LeaseAnswer, LimitGrant, LimitReport, Share, WHOLE};
use weir_quota::ShareRecord;

use super::{Board, Entry, FRESH_NS, Lease};
use crate::demand::Demand;
use crate::key::Fingerprint;
use crate::limit::{Limit, LimitId};

/// The most keys of a limit with a share of their own.
const MAX_KEYS: usize = 256;
/// A worker may use the share before the newest one for so long; twice what a worker's copy may be old, for its clock and
/// the leader's may be read at different ends of a callback.
const STALE_NS: u64 = 2 * FRESH_NS;
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
        let Some(fleet) = limit.fleet() else {
            return 0;
        };
        let entry = self.entry(limit.id());
        let record = entry.and_then(|entry| match key {
            Some(key) => entry.record(key),
            None => entry.base,
        });
        match record {
            Some(record) => record.held(now, STALE_NS).min(self.most(fleet.when_lost, now)),
            None => self.unknown(limit, fleet.proxies).share(),
        }
    }

    /// The most that a share may be at `now`: everything during the lease; afterwards an equal share; a second lease's
    /// time later what the policy says.
    pub(super) fn most(&self, when_lost: WhenLost, now: u64) -> Share {
        match self.lease {
            Some(lease) if now > lease.ends.saturating_add(lease.length) => match when_lost {
                WhenLost::EqualShare => lease.equal,
                WhenLost::Deny => 0,
            },
            Some(lease) if now > lease.ends => lease.equal,
            Some(_) | None => WHOLE,
        }
    }

    /// Takes an answer to a report that was sent at `sent`.
    pub fn apply<'l>(
        &mut self,
        answer: &LeaseAnswer,
        limits: impl Iterator<Item = &'l Limit> + Clone,
        sent: u64,
        now: u64,
    ) {
        self.lapse(limits.clone(), now);
        let length = answer.lease_ms.saturating_mul(NANOS_PER_MILLI);
        self.lease = Some(Lease {
            ends: sent.saturating_add(length),
            length,
            equal: WHOLE / answer.proxies.max(1),
        });
        for limit in limits {
            let grant = answer.limits.iter().find(|grant| grant.limit == limit.path());
            if let Some(grant) = grant {
                self.take_grant(limit, grant, now);
            }
        }
    }

    fn take_grant(&mut self, limit: &Limit, grant: &LimitGrant, now: u64) {
        let before = self.base_of(limit);
        let mut keys = Vec::with_capacity(grant.keys.len());
        for granted in grant.keys.iter().take(MAX_KEYS) {
            if let Ok(key) = u64::from_str_radix(&granted.key, 16) {
                keys.push((Fingerprint(key), granted.share));
            }
        }
        keys.sort_unstable();
        let tolerance = limit.quota().tolerance_ns();
        let next = self.grants.wrapping_add(1);
        let granted = |record: ShareRecord, share| record.granted(share, tolerance, next, now);
        let entry = self.entry_mut(limit.id());
        entry.base = Some(granted(before, grant.share));
        for (key, share) in &keys {
            entry.put(*key, granted(entry.own(*key).unwrap_or(before), *share));
        }
        let listed = |key: &Fingerprint| keys.binary_search_by_key(key, |(key, _)| *key).is_ok();
        for (key, record) in &mut entry.keys {
            if !listed(key) {
                *record = granted(*record, grant.share);
            }
        }
        entry
            .keys
            .retain(|(key, record)| listed(key) || !record.is_settled(tolerance, now));
        self.grants = next;
    }

    fn base_of(&self, limit: &Limit) -> ShareRecord {
        let known = self.entry(limit.id()).and_then(|entry| entry.base);
        let proxies = limit.fleet().map_or(1, |fleet| fleet.proxies);
        known.unwrap_or_else(|| self.unknown(limit, proxies))
    }

    /// Lets shares that a lease no longer covers become what the policies say. Whether something changed.
    ///
    /// Workers use no more than that in any case ([`Board::most`]); but shares grow only here, by a grant, so that nothing
    /// is minted.
    pub fn lapse<'l>(&mut self, limits: impl Iterator<Item = &'l Limit>, now: u64) -> bool {
        let Some(lease) = self.lease.filter(|lease| now > lease.ends) else {
            return false;
        };
        let mut changed = false;
        for limit in limits {
            changed |= self.lapse_one(limit, lease, now);
        }
        changed
    }

    fn lapse_one(&mut self, limit: &Limit, lease: Lease, now: u64) -> bool {
        let Some(fleet) = limit.fleet() else {
            return false;
        };
        let most = self.most(fleet.when_lost, now);
        let grows = now > lease.ends.saturating_add(lease.length);
        let level = |share: Share| if grows { most } else { share.min(most) };
        let tolerance = limit.quota().tolerance_ns();
        let next = self.grants.wrapping_add(1);
        let entry = self.entry_mut(limit.id());
        let mut changed = false;
        let records = entry
            .base
            .iter_mut()
            .chain(entry.keys.iter_mut().map(|(_, record)| record));
        for record in records.filter(|record| record.share() != level(record.share())) {
            *record = record.granted(level(record.share()), tolerance, next, now);
            changed = true;
        }
        if changed {
            self.grants = next;
        }
        changed
    }

    /// Forgets limits other than these.
    pub fn keep_only(&mut self, limits: &[LimitId]) {
        self.limits.retain(|entry| limits.contains(&entry.limit));
    }
}

impl Entry {
    fn own(&self, key: Fingerprint) -> Option<ShareRecord> {
        let place = self.keys.binary_search_by_key(&key, |(known, _)| *known).ok()?;
        self.keys.get(place).map(|(_, record)| *record)
    }

    fn put(&mut self, key: Fingerprint, record: ShareRecord) {
        match self.keys.binary_search_by_key(&key, |(known, _)| *known) {
            Ok(place) => {
                if let Some((_, known)) = self.keys.get_mut(place) {
                    *known = record;
                }
            }
            Err(place) => self.keys.insert(place, (key, record)),
        }
    }
}
