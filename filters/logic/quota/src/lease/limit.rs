//! Who holds which shares of one limit.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use weir_policy::proxy::{KeyGrant, KeyReport, LimitGrant, LimitReport, Share, WHOLE};

use crate::lease::LeaseSettings;

/// Demand above this counts as this.
const MAX_DEMAND: u64 = 1 << 40;

/// What holds for one look at the book.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) now: u64,
    /// Nobody knows yet what others hold.
    pub(super) quiet: bool,
    /// How long a share counts after its report.
    pub(super) holds_ms: u64,
    pub(super) settings: LeaseSettings,
}

/// What one instance has of one key, for a status page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseView<'a> {
    /// `<namespace>/<policy>/<limit>`.
    pub limit: &'a str,
    /// The key's fingerprint; absent: all keys without a share of their own.
    pub key: Option<u64>,
    /// Who has it.
    pub instance: &'a str,
    /// What it was granted last.
    pub share: Share,
    /// What it held when it reported last.
    pub held: Share,
    /// Units it was asked for in a second, smoothed; 0 where the key is absent.
    pub demand: u64,
}

/// All shares of one limit.
#[derive(Debug, Default)]
pub(super) struct Limit {
    /// By id.
    holders: Vec<Holder>,
    keys: BTreeMap<u64, Key>,
    /// The key that a place is kept for, until when.
    awaited: Option<(u64, u64)>,
}

#[derive(Debug)]
struct Holder {
    id: u64,
    instance: Arc<str>,
    seen_ms: u64,
    /// An equal part, when it was seen.
    equal: Share,
    base: Lease,
}

#[derive(Clone, Copy, Debug, Default)]
struct Lease {
    granted: Share,
    held: Share,
    demand: u64,
}

/// A listed key.
#[derive(Debug)]
struct Key {
    /// Of each holder, in the same order; absent: it uses its share of the limit.
    leases: Vec<Option<Lease>>,
    /// When anyone last reported demand.
    asked_ms: u64,
    /// Others are hotter: it goes as soon as it can.
    leaving: bool,
}

impl Holder {
    const fn is_bound(&self, terms: &Terms) -> bool {
        terms.now < self.seen_ms.saturating_add(terms.holds_ms)
    }

    /// What counts of a lease of it: all while it runs; then, as long again, an equal part at most, see [`lapsed`].
    ///
    /// [`lapsed`]: crate::lease::lapsed
    fn counted(&self, lease: Lease, terms: &Terms) -> Lease {
        if self.is_bound(terms) {
            return lease;
        }
        let ends = self.seen_ms.saturating_add(terms.holds_ms);
        let lapses = terms.now < ends.saturating_add(terms.settings.lease_ms);
        lease.capped(if lapses { self.equal } else { 0 })
    }
}

impl Lease {
    fn outstanding(&self) -> Share {
        self.granted.max(self.held)
    }

    /// Nobody asks for it any more.
    fn capped(self, most: Share) -> Self {
        Self {
            granted: self.granted.min(most),
            held: self.held.min(most),
            demand: 0,
        }
    }

    /// What a report says: it supersedes whatever was granted before. Demand rises at once, and falls by half.
    fn told(&self, held: Share, demand: u64) -> Self {
        let demand = demand.min(MAX_DEMAND);
        let held = held.min(WHOLE);
        Self {
            granted: held,
            held,
            demand: demand.max((self.demand + demand) / 2),
        }
    }
}

impl Key {
    /// Each holder, with what counts of its lease.
    fn counted<'a>(
        &'a self,
        holders: &'a [Holder],
        terms: &'a Terms,
    ) -> impl Iterator<Item = (&'a Holder, Lease)> {
        let all = holders.iter().zip(&self.leases);
        all.map(|(holder, lease)| (holder, holder.counted(lease.unwrap_or(holder.base), terms)))
    }

    fn outstanding(&self, holders: &[Holder], terms: &Terms) -> u64 {
        let leases = self.counted(holders, terms);
        leases.map(|(_, lease)| u64::from(lease.outstanding())).sum()
    }

    fn demand(&self, holders: &[Holder], terms: &Terms) -> u64 {
        self.counted(holders, terms).map(|(_, lease)| lease.demand).sum()
    }

    /// Whether demand still decides who gets what.
    const fn is_wanted(&self, terms: &Terms) -> bool {
        !self.leaving && terms.now < self.asked_ms.saturating_add(terms.settings.lease_ms)
    }

    /// Whether nobody holds more of it than of the keys that are not listed.
    fn is_back(&self, holders: &[Holder], terms: &Terms) -> bool {
        let mut leases = self.counted(holders, terms);
        leases.all(|(holder, lease)| lease.outstanding() <= holder.counted(holder.base, terms).outstanding())
    }
}

impl Limit {
    pub(super) fn report(
        &mut self,
        report: &LimitReport,
        name: &Arc<str>,
        id: u64,
        terms: &Terms,
    ) -> LimitGrant {
        let at = self.holder(name, id);
        let base = self.told(at, report, terms);
        self.told_keys(at, base, &report.keys, terms);
        self.drop_keys(terms);
        LimitGrant {
            limit: report.limit.clone(),
            share: self.grant_base(at, terms),
            keys: self.grant_keys(at, terms),
        }
    }

    pub(super) fn proxies(&self) -> u32 {
        u32::try_from(self.holders.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn outstanding(&self, key: Option<&str>, terms: &Terms) -> u64 {
        let key = key.and_then(parse_key).and_then(|key| self.keys.get(&key));
        match key {
            Some(key) => key.outstanding(&self.holders, terms),
            None => self.base_outstanding(terms),
        }
    }

    pub(super) fn leases<'a>(&'a self, name: &'a str, terms: Terms) -> impl Iterator<Item = LeaseView<'a>> {
        let base = self.holders.iter().map(|holder| (None, holder, holder.base));
        let keys = self.keys.iter().flat_map(move |(key, leases)| {
            let own = self.holders.iter().zip(&leases.leases);
            own.filter_map(|(holder, lease)| Some((Some(*key), holder, (*lease)?)))
        });
        let running = base
            .chain(keys)
            .filter(move |(_, holder, _)| holder.is_bound(&terms));
        running.map(move |(key, holder, lease)| LeaseView {
            limit: name,
            key,
            instance: &holder.instance,
            share: lease.granted,
            held: lease.held,
            demand: lease.demand,
        })
    }

    /// Forgets who was not seen after `since`; false when nobody is left.
    pub(super) fn forget(&mut self, since: u64) -> bool {
        while let Some(at) = self.holders.iter().position(|holder| holder.seen_ms <= since) {
            self.holders.remove(at);
            for key in self.keys.values_mut() {
                key.leases.remove(at);
            }
        }
        !self.holders.is_empty()
    }

    /// Where the holder stands among the others, new or known.
    fn holder(&mut self, name: &Arc<str>, id: u64) -> usize {
        match self.holders.binary_search_by_key(&id, |holder| holder.id) {
            Ok(at) => at,
            Err(at) => {
                let holder = Holder {
                    id,
                    instance: name.clone(),
                    seen_ms: 0,
                    equal: 0,
                    base: Lease::default(),
                };
                self.holders.insert(at, holder);
                self.keys.values_mut().for_each(|key| key.leases.insert(at, None));
                at
            }
        }
    }

    /// Takes down what a holder has of the limit, and gives it back.
    fn told(&mut self, at: usize, report: &LimitReport, terms: &Terms) -> Lease {
        let equal = self.equal();
        let Some(holder) = self.holders.get_mut(at) else {
            return Lease::default();
        };
        (holder.seen_ms, holder.equal) = (terms.now, equal);
        holder.base = holder.base.told(report.held, 0);
        holder.base
    }

    /// Takes down what a holder has of keys; of one that it does not name it has its share of the limit.
    fn told_keys(&mut self, at: usize, base: Lease, reports: &[KeyReport], terms: &Terms) {
        let mut reports: Vec<(u64, &KeyReport)> = reports
            .iter()
            .filter_map(|report| Some((parse_key(&report.key)?, report)))
            .collect();
        reports.sort_by_key(|(key, report)| (std::cmp::Reverse(report.demand), *key));
        let mut named = BTreeSet::new();
        reports.retain(|(key, _)| named.insert(*key));
        for (key, report) in reports {
            self.list(key, report, base, terms);
            let Some(key) = self.keys.get_mut(&key) else {
                continue;
            };
            if report.demand > 0 {
                key.asked_ms = terms.now;
            }
            key.tell(at, report.held, report.demand);
        }
        for (_, key) in self.keys.iter_mut().filter(|(key, _)| !named.contains(key)) {
            key.tell(at, base.held, 0);
        }
    }

    /// Lists a key that is asked for, if there is room, or makes some; and one of which a holder has another share than
    /// the book can know of, so that it is counted until it is given back.
    fn list(&mut self, key: u64, report: &KeyReport, base: Lease, terms: &Terms) {
        let most = terms.settings.max_keys;
        if self.keys.contains_key(&key) {
            return;
        }
        let kept = usize::from(self.keeps_place_from(key, terms));
        let room = self.keys.len().saturating_add(kept) < most;
        let apart = report.held > base.held || (terms.quiet && report.held != base.held);
        let apart = apart && self.keys.len() < most.saturating_mul(2);
        if (room && report.demand > 0) || apart {
            let leases = vec![None; self.holders.len()];
            self.keys.insert(
                key,
                Key {
                    leases,
                    asked_ms: 0,
                    leaving: self.keys.len() >= most,
                },
            );
        } else if report.demand > 0 {
            self.make_room(key, report.demand, terms);
        }
    }

    /// Drops what nobody asks for. Not before everyone had time to report: whoever has less of a key than of others would
    /// get more, and someone else may hold the rest.
    fn drop_keys(&mut self, terms: &Terms) {
        let holders = &self.holders;
        let stays = |key: &Key| terms.quiet || key.is_wanted(terms) || !key.is_back(holders, terms);
        self.keys.retain(|_, key| stays(key));
    }

    /// Lets the coldest key go for one with more than twice its demand, and keeps its place for that one; one at a time.
    fn make_room(&mut self, hot: u64, demand: u64, terms: &Terms) {
        if self.keeps_place_from(hot, terms) || self.keys.values().any(|key| key.leaving) {
            return;
        }
        let holders = &self.holders;
        let coldest = self
            .keys
            .values_mut()
            .map(|key| (key.demand(holders, terms), key));
        let Some((least, key)) = coldest.min_by_key(|(demand, _)| *demand) else {
            return;
        };
        if demand > least.saturating_mul(2) {
            key.leaving = true;
            self.awaited = Some((hot, terms.now.saturating_add(terms.settings.lease_ms)));
        }
    }

    /// Whether a place is kept for another key.
    fn keeps_place_from(&self, key: u64, terms: &Terms) -> bool {
        let Some((awaited, until)) = self.awaited else {
            return false;
        };
        awaited != key && terms.now < until && !self.keys.contains_key(&awaited)
    }

    fn base_outstanding(&self, terms: &Terms) -> u64 {
        let counted = self
            .holders
            .iter()
            .map(|holder| holder.counted(holder.base, terms));
        counted.map(|lease| u64::from(lease.outstanding())).sum()
    }

    fn grant_base(&mut self, at: usize, terms: &Terms) -> Share {
        let (total, equal) = (self.base_outstanding(terms), self.equal());
        let Some(holder) = self.holders.get_mut(at) else {
            return 0;
        };
        holder.base.granted = granted(&holder.base, equal, total, terms);
        holder.base.granted
    }

    fn grant_keys(&mut self, at: usize, terms: &Terms) -> Vec<KeyGrant> {
        let equal = self.equal();
        let mut grants = Vec::with_capacity(self.keys.len());
        for (name, key) in &mut self.keys {
            let total = key.outstanding(&self.holders, terms);
            let demand = if key.is_wanted(terms) {
                key.demand(&self.holders, terms)
            } else {
                0
            };
            let Some(Some(lease)) = key.leases.get_mut(at) else {
                continue;
            };
            let target = target(lease.demand, demand, equal, terms.settings.floor_ppm);
            lease.granted = granted(lease, target, total, terms);
            grants.push(KeyGrant {
                key: format!("{name:016x}"),
                share: lease.granted,
            });
        }
        grants
    }

    fn equal(&self) -> Share {
        WHOLE.checked_div(self.proxies()).unwrap_or(WHOLE)
    }
}

impl Key {
    fn tell(&mut self, at: usize, held: Share, demand: u64) {
        if let Some(lease) = self.leases.get_mut(at) {
            *lease = Some(lease.unwrap_or_default().told(held, demand));
        }
    }
}

/// What a holder of `lease` may have: its target, as far as the others leave it. `total` is what all hold, it included.
fn granted(lease: &Lease, target: Share, total: u64, terms: &Terms) -> Share {
    let others = total.saturating_sub(u64::from(lease.outstanding()));
    let free = u64::from(WHOLE).saturating_sub(others);
    let target = if terms.quiet { lease.held } else { target };
    target.min(Share::try_from(free).unwrap_or(WHOLE))
}

/// The part of a key that someone with `demand` of `total` should have, where everyone's equal part is `equal`.
fn target(demand: u64, total: u64, equal: Share, floor_ppm: Share) -> Share {
    let floor_ppm = floor_ppm.min(WHOLE);
    let rest = u128::from(WHOLE - floor_ppm) * u128::from(demand);
    let Some(proportional) = rest.checked_div(u128::from(total)) else {
        return equal;
    };
    let floor = u64::from(equal) * u64::from(floor_ppm) / u64::from(WHOLE);
    let sum = floor.saturating_add(u64::try_from(proportional).unwrap_or(u64::MAX));
    Share::try_from(sum).unwrap_or(WHOLE).min(WHOLE)
}

/// A fingerprint: 16 hexadecimal digits.
fn parse_key(key: &str) -> Option<u64> {
    (key.len() == 16)
        .then(|| u64::from_str_radix(key, 16).ok())
        .flatten()
}
