//! Who holds which shares: the control plane's side.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use weir_policy::proxy::{LeaseAnswer, LeaseReport, LimitGrant, LimitReport, Share};

use crate::lease::limit::{LeaseView, Limit, Terms};

/// A holder may use its share a little longer than it was told: clocks and workers are never quite together.
const GRACE_MS: u64 = 250;
/// Silent for so many leases, an instance is forgotten.
const LEASES_TO_FORGET: u64 = 3;
/// Most fleet-wide limits of a namespace.
const MAX_LIMITS: usize = 4096;
/// Most instances.
const MAX_INSTANCES: usize = 100_000;
/// Longest name of a limit or an instance, bytes.
const MAX_NAME: usize = 512;

/// How leases are given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseSettings {
    /// How long a share may be used without another answer.
    pub lease_ms: u64,
    /// Most keys of a limit with shares of their own.
    pub max_keys: usize,
    /// The part of a key that is split evenly, whoever asks for it, parts per million.
    pub floor_ppm: Share,
}

/// Who holds which shares of which limits.
///
/// For each limit, and each of its keys that is asked for, every instance has an *outstanding* share: what it reported as
/// held or was granted since, whichever is more, until its lease (and a quarter of a second of grace) ends; then, for the
/// time of one more lease, an equal part of it at most ([`lapsed`](crate::lease::lapsed)). A grant is
/// the instance's target, but never more than outstanding shares of all others leave of the whole. So outstanding shares
/// sum to the whole at most, whatever gets lost on the way: an answer that never arrived is still counted, a report that
/// did not arrive changes nothing, one that is overtaken by its successor is ignored.
///
/// The target of a key is proportional to the demand for it, beside a small part that is split evenly, so that a new
/// client is served anywhere at once; without demand, and for all keys that are not listed, it is an equal part. Growing
/// takes two reports of the others and one of one's own: they are told less, they report less, the rest is free.
///
/// A key is *listed* for all instances once anyone reports demand for it, and as long as there is room: when
/// `max_keys` are listed, one that is asked for twice as much takes the place of the coldest. It is dropped after a lease
/// without demand, once nobody holds more of it than of the limit's other keys.
///
/// After a start nobody knows what others hold, so for one lease the book grants only what is reported as held.
///
/// `now_ms` is any clock that does not jump; it may stand still.
///
/// Memory: at most 4096 limits of a namespace, 100,000 instances, and twice `max_keys` keys of a limit. What is beyond
/// is ignored: it is missing in the answer, and holds no share.
///
/// A report costs time in proportion to keys listed × instances of the limit.
#[derive(Debug)]
pub struct LeaseBook {
    settings: LeaseSettings,
    quiet_until: u64,
    now: u64,
    swept: u64,
    ids: u64,
    instances: BTreeMap<Arc<str>, Instance>,
    limits: BTreeMap<String, Limit>,
}

#[derive(Debug)]
struct Instance {
    id: u64,
    sequence: u64,
    seen_ms: u64,
}

impl LeaseBook {
    /// An empty book, started at `started_ms`.
    pub const fn new(settings: LeaseSettings, started_ms: u64) -> Self {
        Self {
            quiet_until: started_ms
                .saturating_add(settings.lease_ms)
                .saturating_add(GRACE_MS),
            settings,
            now: started_ms,
            swept: started_ms,
            ids: 0,
            instances: BTreeMap::new(),
            limits: BTreeMap::new(),
        }
    }

    /// Takes down what an instance holds, and grants it shares of all limits that it reports.
    pub fn report(&mut self, report: &LeaseReport, now_ms: u64) -> LeaseAnswer {
        self.now = self.now.max(now_ms);
        self.sweep();
        let mut answer = LeaseAnswer {
            lease_ms: self.settings.lease_ms,
            ..LeaseAnswer::default()
        };
        let Some((name, id)) = self.instance(report) else {
            return answer;
        };
        let mut told = BTreeSet::new();
        for limit in report
            .limits
            .iter()
            .filter(|limit| told.insert(limit.limit.as_str()))
        {
            if let Some((grant, proxies)) = self.grant(limit, &name, id) {
                answer.proxies = answer.proxies.max(proxies);
                answer.limits.push(grant);
            }
        }
        answer
    }

    /// The sum of all outstanding shares of a key, or of the limit's keys that have none of their own.
    pub fn outstanding(&self, limit: &str, key: Option<&str>, now_ms: u64) -> u64 {
        let terms = self.terms(now_ms);
        self.limits
            .get(limit)
            .map_or(0, |limit| limit.outstanding(key, &terms))
    }

    /// How many instances there are.
    pub fn instances(&self, now_ms: u64) -> u32 {
        let known = self.instances.values();
        let alive = known.filter(|instance| now_ms < instance.seen_ms.saturating_add(self.memory_ms()));
        u32::try_from(alive.count()).unwrap_or(u32::MAX)
    }

    /// Every lease that runs at `now_ms`, by limit, then key, then instance in the order of their arrival.
    pub fn leases(&self, now_ms: u64) -> impl Iterator<Item = LeaseView<'_>> {
        let terms = self.terms(now_ms);
        self.limits
            .iter()
            .flat_map(move |(name, limit)| limit.leases(name, terms))
    }

    fn grant(&mut self, report: &LimitReport, name: &Arc<str>, id: u64) -> Option<(LimitGrant, u32)> {
        let terms = self.terms(self.now);
        if !self.limits.contains_key(&report.limit) {
            self.admits(&report.limit).then_some(())?;
            self.limits.insert(report.limit.clone(), Limit::default());
        }
        let limit = self.limits.get_mut(&report.limit)?;
        let grant = limit.report(report, name, id, &terms);
        Some((grant, limit.proxies()))
    }

    /// Whether a limit that nobody has named yet can be added.
    fn admits(&self, limit: &str) -> bool {
        let Some((namespace, _)) = limit.split_once('/') else {
            return false;
        };
        let prefix = format!("{namespace}/");
        let known = self
            .limits
            .range(prefix.clone()..)
            .take_while(|(name, _)| name.starts_with(&prefix));
        limit.len() <= MAX_NAME && known.count() < MAX_LIMITS
    }

    /// The instance that reports, unless a later report of it is known or there are too many.
    fn instance(&mut self, report: &LeaseReport) -> Option<(Arc<str>, u64)> {
        let name = report.instance.as_str();
        if let Some((name, known)) = self.instances.get_key_value(name) {
            let (name, id) = (name.clone(), known.id);
            let known = self.instances.get_mut(&name)?;
            (report.sequence > known.sequence).then_some(())?;
            (known.sequence, known.seen_ms) = (report.sequence, self.now);
            return Some((name, id));
        }
        if self.instances.len() >= MAX_INSTANCES || name.len() > MAX_NAME {
            return None;
        }
        let (name, id) = (Arc::<str>::from(name), self.ids);
        let instance = Instance {
            id,
            sequence: report.sequence,
            seen_ms: self.now,
        };
        self.instances.insert(name.clone(), instance);
        self.ids += 1;
        Some((name, id))
    }

    /// Forgets who was silent for long; a few times in a lease.
    fn sweep(&mut self) {
        if self.now < self.swept.saturating_add(self.settings.lease_ms / 8) {
            return;
        }
        self.swept = self.now;
        let since = self.now.saturating_sub(self.memory_ms());
        self.instances.retain(|_, instance| instance.seen_ms > since);
        self.limits.retain(|_, limit| limit.forget(since));
    }

    const fn memory_ms(&self) -> u64 {
        self.settings.lease_ms.saturating_mul(LEASES_TO_FORGET)
    }

    fn terms(&self, now_ms: u64) -> Terms {
        Terms {
            now: now_ms.max(self.now),
            quiet: now_ms.max(self.now) < self.quiet_until,
            holds_ms: self.settings.lease_ms.saturating_add(GRACE_MS),
            settings: self.settings,
        }
    }
}
