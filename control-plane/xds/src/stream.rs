//! The state of one proxy's stream: a pure machine with requests, views and instants as inputs, responses and
//! records as outputs. It knows no socket and no clock; instants are milliseconds since the start of the stream.
//!
//! What goes out, per type:
//! - CDS: the target's clusters, and those that a listener, route or slot may still rely on. What nothing relies on
//!   any more goes `linger` later.
//! - EDS, SDS: the target's. EDS goes out again after each CDS: for clusters that changed Envoy asks again with the
//!   names and nonce that it used last, which can't be told from an ACK.
//! - LDS, RDS, ECDS: the target's when the proxy has the clusters named in it, else what was told before.
//! - Content that was refused isn't sent again until it changes, and nothing else waits for it but what names it.
//!   Slots alone are tried again, after 1 s, 2 s, … 30 s: a module may have come to the proxy's host.

mod answer;
mod exchange;
mod gate;
mod ledger;
mod ledgers;
mod refusal;
mod subscription;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use weir_core::proxy::Assignment;
use weir_core::snapshot::{ResourceType, Resources, Snapshot, View};

use answer::Complaint;
use gate::Gate;
use ledger::{Nonces, Plan};
use ledgers::Ledgers;

pub use exchange::{Output, Record, Request, Response};

/// One proxy's stream.
#[derive(Debug)]
pub struct StreamState {
    linger: u64,
    assignment: Assignment,
    /// What the proxy should have; while its Gateway is gone, what it should have had last.
    target: Arc<Snapshot>,
    ledgers: Ledgers,
    /// Clusters that nothing relies on any more, and when they go.
    leaving: BTreeMap<String, u64>,
    /// The proxy has clusters that aren't in the target.
    keeps_clusters: bool,
    dirty: BTreeSet<ResourceType>,
    nonces: Nonces,
    former: Vec<Arc<Snapshot>>,
}

/// Why a node gets what this view gives it.
pub const fn assignment(view: &View) -> Assignment {
    match view {
        View::Assigned(_) => Assignment::Assigned,
        View::Unassigned(_) => Assignment::Unassigned,
        View::Gone => Assignment::GatewayGone,
    }
}

fn snapshot(view: View) -> Option<Arc<Snapshot>> {
    match view {
        View::Assigned(snapshot) | View::Unassigned(snapshot) => Some(snapshot),
        View::Gone => None,
    }
}

/// The types whose resources name clusters.
const DEPENDENTS: [ResourceType; 3] = [
    ResourceType::Listener,
    ResourceType::Route,
    ResourceType::ExtensionConfig,
];

/// How the names of resources begin that Weir makes itself.
const OWN_NAMES: &str = "weir/";

/// The types that clusters themselves need.
const CLUSTER_NEEDS: [ResourceType; 2] = [ResourceType::Endpoint, ResourceType::Secret];

impl StreamState {
    /// A stream that was just opened. A cluster that nothing relies on any more stays for `linger` milliseconds.
    /// `former`: what the node got lately, newest first. Only a proxy that has something already is led away from it.
    pub fn new(linger: u64, view: View, former: Vec<Arc<Snapshot>>) -> Self {
        Self {
            linger,
            assignment: assignment(&view),
            target: snapshot(view).unwrap_or_default(),
            ledgers: Ledgers::default(),
            leaving: BTreeMap::new(),
            keeps_clusters: false,
            dirty: BTreeSet::new(),
            nonces: Nonces::default(),
            former,
        }
    }

    /// The proxy subscribed, took or refused something.
    pub fn request(&mut self, request: &Request, now: u64) -> Vec<Output> {
        let mut out = Vec::new();
        let ledger = self.ledgers.of_mut(request.resource_type);
        let again = ledger.asks_again(request);
        let first = ledger.subscription.is_none();
        let news = ledger.subscribe(request);
        let complaint = request
            .error
            .as_deref()
            .map(|message| Complaint { message, at: now });
        let answered = ledger.answer(&request.nonce, complaint, &mut out);
        if first && request.resource_type == ResourceType::Cluster {
            self.recall_former();
        }
        let ledger = self.ledgers.of_mut(request.resource_type);
        let again = again && !news;
        if again {
            ledger.told.clear();
        }
        if news || again || (answered && (complaint.is_some() || ledger.crowded || ledger.unseen)) {
            self.dirty.insert(request.resource_type);
        }
        if news || answered {
            self.mark_related(request.resource_type);
        }
        self.flush(now, &mut out);
        out
    }

    /// What the node should get may have changed.
    pub fn view(&mut self, view: View, now: u64) -> Vec<Output> {
        let mut out = Vec::new();
        if self.assignment != assignment(&view) {
            self.assignment = assignment(&view);
            out.push(Output::Record(Record::Assigned(self.assignment)));
        }
        if let Some(target) = snapshot(view) {
            self.mark_changed(&target);
            self.target = target;
            if !self.former.is_empty() {
                self.recall_former();
            }
        }
        self.flush(now, &mut out);
        out
    }

    /// The instant of [`StreamState::deadline`] has come.
    pub fn tick(&mut self, now: u64) -> Vec<Output> {
        let mut out = Vec::new();
        if self.leaving.values().any(|at| *at <= now) {
            self.dirty.insert(ResourceType::Cluster);
        }
        for refused in self.ledgers.extension_config.refused.values_mut() {
            if refused.release(now) {
                self.dirty.insert(ResourceType::ExtensionConfig);
            }
        }
        self.flush(now, &mut out);
        out
    }

    /// When [`StreamState::tick`] is due; none when nothing waits for time to pass.
    pub fn deadline(&self) -> Option<u64> {
        if self.is_gone() {
            return None;
        }
        let retries = self.ledgers.extension_config.refused.values();
        let departures = self.leaving.values().copied();
        departures
            .filter(|_| !self.ledgers.cluster.crowded)
            .chain(retries.filter_map(refusal::Refused::retry_at))
            .min()
    }

    /// Whether the proxy has taken all that the target has for it. Clusters that only wait for their end don't count.
    pub fn is_settled(&self) -> bool {
        let has_all = |resource_type: &ResourceType| {
            let ledger = self.ledgers.of(*resource_type);
            ledger.in_flight.is_empty() && ledger.refused.is_empty() && !ledger.waiting && !ledger.resync
        };
        !self.is_gone()
            && self.dirty.is_empty()
            && ResourceType::ALL.iter().all(has_all)
            && self.is_asked_for_all()
    }

    /// Whether the proxy has asked for everything that the target is sure to have for it: clusters, listeners, and
    /// the tables and slots that Weir's own listeners name.
    fn is_asked_for_all(&self) -> bool {
        [
            ResourceType::Cluster,
            ResourceType::Listener,
            ResourceType::Route,
            ResourceType::ExtensionConfig,
        ]
        .into_iter()
        .all(|resource_type| {
            let ledger = self.ledgers.of(resource_type);
            let mut own = self
                .target
                .of(resource_type)
                .keys()
                .filter(|name| name.starts_with(OWN_NAMES));
            own.all(|name| ledger.selects(name))
        })
    }

    fn is_gone(&self) -> bool {
        self.assignment == Assignment::GatewayGone
    }

    /// Types of which the snapshots differ. Snapshots share what they have in common, so most comparisons are of
    /// pointers.
    fn mark_changed(&mut self, target: &Snapshot) {
        let changed = |resource_type: &ResourceType| {
            !are_equal(self.target.of(*resource_type), target.of(*resource_type))
        };
        let changed: Vec<ResourceType> = ResourceType::ALL.into_iter().filter(changed).collect();
        for &resource_type in &changed {
            if CLUSTER_NEEDS.contains(&resource_type) {
                let old = self.target.of(resource_type);
                self.ledgers
                    .of_mut(resource_type)
                    .keep_former(old, target.of(resource_type));
            }
        }
        if changed.contains(&ResourceType::Cluster) {
            self.mark_waiting();
        }
        self.dirty.extend(changed);
    }

    /// Types for which the proxy's words about another one may matter.
    fn mark_related(&mut self, resource_type: ResourceType) {
        if resource_type == ResourceType::Cluster {
            self.mark_waiting();
            self.forget_former();
        } else if self.keeps_clusters && DEPENDENTS.contains(&resource_type) {
            self.dirty.insert(ResourceType::Cluster);
        }
    }

    fn mark_waiting(&mut self) {
        let Self { ledgers, dirty, .. } = self;
        dirty.extend(
            DEPENDENTS
                .into_iter()
                .filter(|&dependent| ledgers.of(dependent).waiting),
        );
    }

    /// Sends what is due, type by type, in the order in which a configuration is made.
    fn flush(&mut self, now: u64, out: &mut Vec<Output>) {
        if self.is_gone() {
            return;
        }
        let target = self.target.clone();
        while let Some(resource_type) = self.dirty.pop_first() {
            self.flush_type(resource_type, &target, now, out);
        }
    }

    fn flush_type(
        &mut self,
        resource_type: ResourceType,
        target: &Snapshot,
        now: u64,
        out: &mut Vec<Output>,
    ) {
        let ledger = self.ledgers.of_mut(resource_type);
        if ledger.subscription.is_none() {
            return;
        }
        let resources = target.of(resource_type);
        let healed = ledger.prune_refusals(resources);
        ledger.crowded = ledger.is_crowded();
        if !ledger.crowded {
            self.send(resource_type, target, now, out);
        }
        let ledger = self.ledgers.of_mut(resource_type);
        if healed && ledger.in_flight.is_empty() {
            ledger.record_acked(ledger.version.clone(), out);
        }
    }

    fn send(&mut self, resource_type: ResourceType, target: &Snapshot, now: u64, out: &mut Vec<Output>) {
        let Some(plan) = self.plan(resource_type, target, now) else {
            return;
        };
        let ledger = self.ledgers.of_mut(resource_type);
        if ledger.unseen && !plan.unseen && self.keeps_clusters {
            self.dirty.insert(ResourceType::Cluster);
        }
        (ledger.waiting, ledger.unseen) = (plan.waiting, plan.unseen);
        if ledger.send(plan, &mut self.nonces, out) && resource_type == ResourceType::Cluster {
            self.ledgers.endpoint.told.clear();
            self.dirty.insert(ResourceType::Endpoint);
        }
    }

    /// None when nothing may go out yet.
    fn plan(&mut self, resource_type: ResourceType, target: &Snapshot, now: u64) -> Option<Plan> {
        let resources = target.of(resource_type);
        let gated = DEPENDENTS.contains(&resource_type);
        let removed = match resource_type {
            ResourceType::Cluster => self.departures(resources, now),
            _ => self.ledgers.of(resource_type).stale(resources).cloned().collect(),
        };
        let gate = Gate::new(target, &self.ledgers.cluster);
        let ledger = self.ledgers.of(resource_type);
        let first = ledger.is_full_set() && !ledger.started;
        if gated && first && !gate.allows_first(ledger, resources) {
            let ledger = self.ledgers.of_mut(resource_type);
            (ledger.waiting, ledger.unseen) = (true, ledger.may_have_more());
            return None;
        }
        let plan = gate::changes(ledger, resources, gated.then_some(gate));
        Some(Plan { removed, ..plan })
    }

    /// The clusters to remove now: nothing has relied on them for long enough.
    fn departures(&mut self, target: &Resources, now: u64) -> Vec<String> {
        let stale: Vec<String> = self.ledgers.cluster.stale(target).cloned().collect();
        let kept = stale.len();
        let idle: BTreeSet<String> = stale
            .into_iter()
            .filter(|cluster| !self.is_in_use(cluster))
            .collect();
        self.leaving.retain(|cluster, _| idle.contains(cluster));
        let clusters = &self.ledgers.cluster;
        for cluster in idle {
            let may_be_there = !clusters.known || clusters.taken.contains_key(&cluster);
            let at = now.saturating_add(if may_be_there { self.linger } else { 0 });
            self.leaving.entry(cluster).or_insert(at);
        }
        let due = self.leaving.extract_if(.., |_, at| *at <= now);
        let due: Vec<String> = due.map(|(cluster, _)| cluster).collect();
        self.keeps_clusters = kept > due.len();
        due
    }

    /// Whether something that the proxy was told, or has from before this stream, may name the cluster.
    fn is_in_use(&self, cluster: &str) -> bool {
        DEPENDENTS.iter().any(|&dependent| {
            let ledger = self.ledgers.of(dependent);
            ledger.unseen || ledger.names_cluster(cluster)
        })
    }

    /// A proxy that comes back may rely on clusters that the target has no longer: a full set without them would take
    /// them away before the slot or route that names them.
    fn recall_former(&mut self) {
        let clusters = &self.ledgers.cluster;
        if clusters.subscription.is_none() || clusters.fresh || self.is_gone() {
            return;
        }
        let former = std::mem::take(&mut self.former);
        let target = self.target.clone();
        self.keeps_clusters = true;
        for snapshot in former {
            for resource_type in [ResourceType::Cluster, ResourceType::Endpoint] {
                let ledger = self.ledgers.of_mut(resource_type);
                ledger.recall(snapshot.of(resource_type), target.of(resource_type));
            }
        }
    }

    /// Nothing wants what former targets had, once the proxy has no former clusters.
    fn forget_former(&mut self) {
        if !self.keeps_clusters && self.ledgers.cluster.in_flight.is_empty() {
            for needed in CLUSTER_NEEDS {
                self.ledgers.of_mut(needed).former.clear();
            }
        }
    }
}

fn are_equal(old: &Resources, new: &Resources) -> bool {
    old.len() == new.len()
        && old
            .values()
            .zip(new.values())
            .all(|(old, new)| Arc::ptr_eq(old, new) || (old.version == new.version && old.name == new.name))
}
