//! Make before break: what may go out now, given the clusters that the proxy has.

use std::sync::Arc;

use weir_core::snapshot::{Resource, ResourceType, Resources, Snapshot};

use super::ledger::{Ledger, Plan};
use super::subscription::Subscription;

/// Whether a resource's clusters are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Passage {
    /// The proxy has them.
    Open,
    /// It will have them, or refuse them, soon.
    Pending,
    /// It refused one that it never had.
    Blocked,
}

/// The clusters of a target snapshot and of a proxy.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gate<'a> {
    target: &'a Resources,
    clusters: &'a Ledger,
}

impl<'a> Gate<'a> {
    pub(super) fn new(target: &'a Snapshot, clusters: &'a Ledger) -> Self {
        Self {
            target: target.of(ResourceType::Cluster),
            clusters,
        }
    }

    /// A resource waits for each of its clusters that is in the target; others, as those of the bootstrap
    /// configuration, are no business of this stream.
    fn passage(self, resource: &Resource) -> Passage {
        let awaited = resource
            .clusters
            .iter()
            .filter(|name| self.target.contains_key(*name));
        awaited
            .map(|name| self.cluster(name))
            .max()
            .unwrap_or(Passage::Open)
    }

    fn cluster(self, name: &String) -> Passage {
        if self.clusters.taken.contains_key(name) {
            Passage::Open
        } else if self.clusters.refused.contains_key(name) {
            Passage::Blocked
        } else {
            Passage::Pending
        }
    }

    /// The first full set of a stream takes away whatever it leaves out, so it goes out complete. Only a proxy that
    /// has nothing yet gets it without what is blocked.
    pub(super) fn allows_first(self, ledger: &Ledger, target: &Resources) -> bool {
        let worst = if ledger.known {
            Passage::Blocked
        } else {
            Passage::Open
        };
        let mut selected = target.values().filter(|resource| ledger.selects(&resource.name));
        selected.all(|resource| {
            let passage = self.passage(resource);
            passage == Passage::Open || passage == worst
        })
    }
}

/// What of the target differs from what the proxy was told, and may go out. Without a gate everything may.
pub(super) fn changes(ledger: &Ledger, target: &Resources, gate: Option<Gate<'_>>) -> Plan {
    let mut plan = Plan {
        unseen: ledger.may_have_more(),
        ..Plan::default()
    };
    for (name, wanted) in ledger.wanted(target) {
        let told = ledger.told.get(name);
        let closed =
            wanted.is_some_and(|wanted| gate.is_some_and(|gate| gate.passage(wanted) != Passage::Open));
        let next = wanted.and_then(|wanted| ledger.next(wanted, closed)).or(told);
        plan.waiting |= closed;
        plan.unseen |= ledger.may_have_other(name);
        if next.map(|next| next.version) != told.map(|told| told.version) {
            plan.changed.extend(next.cloned());
        }
    }
    plan
}

/// Names asked for, and what the target has for them.
type Wanted<'a> = Box<dyn Iterator<Item = (&'a String, Option<&'a Arc<Resource>>)> + 'a>;

impl Ledger {
    fn wanted<'a>(&'a self, target: &'a Resources) -> Wanted<'a> {
        match &self.subscription {
            None => Box::new(std::iter::empty()),
            Some(Subscription::Everything) => {
                Box::new(target.iter().map(|(name, wanted)| (name, Some(wanted))))
            }
            Some(Subscription::Names(names)) => {
                Box::new(names.iter().map(|name| (name, self.find(name, target))))
            }
        }
    }

    /// What the proxy should have next under this name.
    fn next<'a>(&'a self, target: &'a Arc<Resource>, closed: bool) -> Option<&'a Arc<Resource>> {
        let name = &target.name;
        if self.refused.get(name).is_some_and(|refused| refused.is_held()) {
            let told = self.told.get(name).or_else(|| self.taken.get(name));
            told.or_else(|| self.stand_ins.get(name))
        } else if closed {
            self.told.get(name).or_else(|| self.taken.get(name))
        } else {
            Some(target)
        }
    }

    /// What the proxy was told and shouldn't have any more.
    pub(super) fn stale<'a>(&'a self, target: &'a Resources) -> impl Iterator<Item = &'a String> {
        let full_set = self.is_full_set();
        self.told
            .keys()
            .filter(move |name| full_set && !(target.contains_key(*name) && self.selects(name)))
    }
}
