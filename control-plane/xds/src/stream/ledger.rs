//! What one stream knows of one type: what the proxy wants, was told, has taken and has refused.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use weir_core::snapshot::{Resource, ResourceType, Resources, version_info};

use super::exchange::{Output, Record, Request, Response};
use super::refusal::Refused;
use super::subscription::{Subscription, is_full_set};

/// How many responses of one type may wait for their answers. A proxy answers in milliseconds, save for CDS, which
/// it answers when the clusters are warm.
const WINDOW: usize = 32;

/// Whether each resource goes in a response of its own, so that a refusal tells exactly what was refused.
const fn goes_alone(resource_type: ResourceType) -> bool {
    matches!(
        resource_type,
        ResourceType::Secret | ResourceType::Route | ResourceType::ExtensionConfig
    )
}

/// A response that is not answered yet.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) nonce: String,
    pub(super) version: String,
    pub(super) resources: Vec<Arc<Resource>>,
    pub(super) removed: Vec<Arc<Resource>>,
}

/// What differs between what the proxy was told and what it should have.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) changed: Vec<Arc<Resource>>,
    pub(super) removed: Vec<String>,
    /// Something has to wait for a cluster.
    pub(super) waiting: bool,
    /// The proxy may rely on something from before this stream that it was not told on it.
    pub(super) unseen: bool,
}

/// The nonces of one stream.
#[derive(Debug, Default)]
pub(super) struct Nonces(u64);

impl Nonces {
    fn next(&mut self) -> String {
        self.0 += 1;
        self.0.to_string()
    }
}

/// The state of one type on one stream.
#[derive(Debug)]
pub(super) struct Ledger {
    pub(super) resource_type: ResourceType,
    pub(super) subscription: Option<Subscription>,
    /// What the proxy has once it has taken all that is in flight.
    pub(super) told: Resources,
    /// EDS and SDS: what the target has no longer, while clusters that it has no longer may still want it.
    pub(super) former: Resources,
    /// What it has for certain.
    pub(super) taken: Resources,
    /// Content that it refused and that is still wanted.
    pub(super) refused: BTreeMap<String, Refused>,
    /// Content of full sets that was refused alone, when the proxy may have an older one from before this stream:
    /// leaving the name out would remove that.
    pub(super) stand_ins: Resources,
    /// Content of which a refusal leaves open whether it is in force.
    pub(super) doubtful: Vec<Arc<Resource>>,
    pub(super) in_flight: VecDeque<Batch>,
    /// The nonce answered last.
    pub(super) answered: String,
    /// The `version_info` of what the proxy was told.
    pub(super) version: String,
    announced: String,
    /// A response went out on this stream.
    pub(super) started: bool,
    /// The proxy had nothing before this stream.
    pub(super) fresh: bool,
    /// Full sets: the proxy has nothing that it wasn't told on this stream.
    pub(super) known: bool,
    /// Send the full set though nothing has changed: what the proxy has is in doubt.
    pub(super) resync: bool,
    /// Something has to wait for a cluster.
    pub(super) waiting: bool,
    /// The proxy may rely on something from before this stream that it was not told on it.
    pub(super) unseen: bool,
    /// Something has to wait for answers.
    pub(super) crowded: bool,
}

impl Ledger {
    pub(super) fn new(resource_type: ResourceType) -> Self {
        Self {
            resource_type,
            subscription: None,
            told: Resources::new(),
            former: Resources::new(),
            taken: Resources::new(),
            refused: BTreeMap::new(),
            stand_ins: Resources::new(),
            doubtful: Vec::new(),
            in_flight: VecDeque::new(),
            answered: String::new(),
            version: String::new(),
            announced: String::new(),
            started: false,
            fresh: false,
            known: false,
            resync: false,
            waiting: false,
            unseen: false,
            crowded: false,
        }
    }

    pub(super) const fn is_full_set(&self) -> bool {
        is_full_set(self.resource_type)
    }

    pub(super) fn selects(&self, name: &str) -> bool {
        self.subscription
            .as_ref()
            .is_some_and(|wanted| wanted.selects(name))
    }

    /// Takes the names of a request; says whether they are news.
    pub(super) fn subscribe(&mut self, request: &Request) -> bool {
        let wanted = Subscription::new(self.resource_type, request.names.clone());
        if self.subscription.is_none() {
            self.fresh = request.version.is_empty();
            self.known = self.fresh;
        }
        let news = self.subscription.as_ref() != Some(&wanted);
        self.subscription = Some(wanted);
        if news && !self.is_full_set() {
            self.forget_unwanted();
        }
        news
    }

    /// A proxy unsubscribes from what it no longer has.
    fn forget_unwanted(&mut self) {
        let Some(wanted) = &self.subscription else { return };
        self.told.retain(|name, _| wanted.selects(name));
        self.taken.retain(|name, _| wanted.selects(name));
        self.doubtful.retain(|resource| wanted.selects(&resource.name));
    }

    /// Whether the proxy asks again for what it was told: it has answered the last response before, and now sends
    /// the same names and nonce, since something new in it wants to hear them.
    pub(super) fn asks_again(&self, request: &Request) -> bool {
        !self.is_full_set()
            && request.error.is_none()
            && !request.nonce.is_empty()
            && request.nonce == self.answered
            && self.in_flight.is_empty()
    }

    /// Whether the proxy may rely on this resource or anything else that names the cluster.
    pub(super) fn names_cluster(&self, cluster: &str) -> bool {
        let in_flight = self
            .in_flight
            .iter()
            .flat_map(|batch| batch.resources.iter().chain(&batch.removed));
        self.told
            .values()
            .chain(self.taken.values())
            .chain(&self.doubtful)
            .chain(in_flight)
            .any(|resource| resource.clusters.contains(cluster))
    }

    /// The resource of this name that the proxy should have.
    pub(super) fn find<'a>(&'a self, name: &str, target: &'a Resources) -> Option<&'a Arc<Resource>> {
        target.get(name).or_else(|| self.former.get(name))
    }

    /// The target has changed: what went from it may still be asked for.
    pub(super) fn keep_former(&mut self, old: &Resources, new: &Resources) {
        self.former.extend(
            old.iter()
                .map(|(name, resource)| (name.clone(), resource.clone())),
        );
        self.former.retain(|name, _| !new.contains_key(name));
    }

    /// The proxy may have these from before this stream.
    pub(super) fn recall(&mut self, former: &Resources, target: &Resources) {
        let known = if self.is_full_set() {
            &mut self.told
        } else {
            &mut self.former
        };
        for (name, resource) in former.iter().filter(|(name, _)| !target.contains_key(*name)) {
            known.entry(name.clone()).or_insert_with(|| Arc::clone(resource));
        }
    }

    /// Forgets refusals of content that is no longer wanted; says whether that was the last one.
    pub(super) fn prune_refusals(&mut self, target: &Resources) -> bool {
        let mut refused = std::mem::take(&mut self.refused);
        let unwanted = refused.extract_if(.., |name, refused| {
            let wanted = self.find(name, target).filter(|_| self.selects(name));
            wanted.is_none_or(|wanted| wanted.version != refused.version)
        });
        let unwanted: Vec<(String, Refused)> = unwanted.collect();
        self.refused = refused;
        for (name, refused) in &unwanted {
            self.drop_refused(name, refused, target);
        }
        !unwanted.is_empty() && self.refused.is_empty()
    }

    /// Content that is not wanted any more and made the proxy refuse a whole set goes at once.
    fn drop_refused(&mut self, name: &str, refused: &Refused, target: &Resources) {
        let told = self
            .told
            .get(name)
            .is_some_and(|told| told.version == refused.version);
        let stands_in = self.stand_ins.contains_key(name);
        if self.is_full_set() && told && !stands_in && !target.contains_key(name) {
            self.told.remove(name);
            self.resync = true;
        }
    }

    pub(super) fn is_crowded(&self) -> bool {
        self.in_flight.len() >= WINDOW
    }

    /// Whether a full set from before this stream may be in force.
    pub(super) const fn may_have_more(&self) -> bool {
        self.is_full_set() && !self.known
    }

    /// Whether another content of this name may be in force, from before this stream.
    pub(super) fn may_have_other(&self, name: &str) -> bool {
        !self.fresh && !self.taken.contains_key(name)
    }

    /// Sends the difference; says whether anything went out.
    pub(super) fn send(&mut self, plan: Plan, nonces: &mut Nonces, out: &mut Vec<Output>) -> bool {
        let idle = plan.changed.is_empty() && plan.removed.is_empty();
        let owed = self.is_full_set() && (self.resync || !self.started);
        if idle && !owed {
            return false;
        }
        let sent = out.len();
        if goes_alone(self.resource_type) {
            self.send_alone(plan.changed, nonces, out);
        } else {
            self.send_together(plan, nonces, out);
        }
        self.announce(self.version.clone(), out);
        out.len() > sent
    }

    fn send_together(&mut self, plan: Plan, nonces: &mut Nonces, out: &mut Vec<Output>) {
        let removed = plan.removed.iter().flat_map(|name| self.remove(name)).collect();
        self.tell(&plan.changed);
        self.version = version_info(self.told.values());
        self.resync = false;
        let resources = if self.is_full_set() {
            self.told.values().cloned().collect()
        } else {
            plan.changed
        };
        self.respond(resources, removed, nonces, out);
    }

    fn send_alone(&mut self, mut changed: Vec<Arc<Resource>>, nonces: &mut Nonces, out: &mut Vec<Output>) {
        let room = WINDOW.saturating_sub(self.in_flight.len());
        self.crowded = changed.len() > room;
        changed.truncate(room);
        self.tell(&changed);
        self.version = version_info(self.told.values());
        for resource in changed {
            self.respond(vec![resource], Vec::new(), nonces, out);
        }
    }

    fn tell(&mut self, changed: &[Arc<Resource>]) {
        self.told.extend(
            changed
                .iter()
                .map(|resource| (resource.name.clone(), resource.clone())),
        );
    }

    /// A removed cluster can't be relied on from the moment at which its removal is sent.
    fn remove(&mut self, name: &str) -> Vec<Arc<Resource>> {
        self.stand_ins.remove(name);
        let taken = self.taken.remove(name);
        taken.into_iter().chain(self.told.remove(name)).collect()
    }

    fn respond(
        &mut self,
        resources: Vec<Arc<Resource>>,
        removed: Vec<Arc<Resource>>,
        nonces: &mut Nonces,
        out: &mut Vec<Output>,
    ) {
        let nonce = nonces.next();
        let refused = |resource: &Arc<Resource>| self.refused.get(&resource.name);
        let again = resources
            .iter()
            .filter_map(refused)
            .any(Refused::wants_other_bytes);
        self.started = true;
        self.in_flight.push_back(Batch {
            nonce: nonce.clone(),
            version: self.version.clone(),
            resources: resources.clone(),
            removed,
        });
        out.push(Output::Respond(Response {
            resource_type: self.resource_type,
            version: self.version.clone(),
            nonce,
            resources,
            again,
        }));
    }

    /// Records what went out, unless a refusal that still holds would be lost from sight.
    fn announce(&mut self, version: String, out: &mut Vec<Output>) {
        if self.refused.is_empty() {
            self.announced.clone_from(&version);
            out.push(Output::Record(Record::Sent {
                resource_type: self.resource_type,
                version,
            }));
        }
    }

    /// Records that the proxy has everything of a version.
    pub(super) fn record_acked(&mut self, version: String, out: &mut Vec<Output>) {
        if self.announced != version && self.in_flight.is_empty() {
            self.announce(version.clone(), out);
        }
        out.push(Output::Record(Record::Acked {
            resource_type: self.resource_type,
            version,
        }));
    }
}
