//! A stream's state and a model Envoy with queues between them, and what must hold at every step.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use weir_core::snapshot::{Resource, ResourceType, Snapshot, View};
use weir_xds::stream::{Output, Record, Response, StreamState};

use crate::envoy::{Effect, Envoy, NAMELESS, Sent};

pub(crate) const LINGER: u64 = 5_000;

/// How Envoy refuses a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Alone, by name.
    Alone,
    /// With all of its response, by name.
    Whole,
    /// With all of its response, and without a name.
    Nameless,
}

/// Content 0–4 is good; clusters may have bad content of every kind.
pub(crate) fn fault(resource: &Resource) -> Option<Fault> {
    match resource.version & 0xff {
        5 => Some(Fault::Alone),
        6 => Some(Fault::Whole),
        7 => Some(Fault::Nameless),
        _ => None,
    }
}

/// A resource of a generated snapshot: its content, and the clusters that it names as bits.
pub(crate) type Spec = Option<(u8, u8)>;

#[derive(Clone, Debug)]
pub(crate) struct SnapshotSpec {
    pub(crate) clusters: [Spec; 5],
    pub(crate) listeners: [Spec; 2],
    pub(crate) routes: [Spec; 2],
    pub(crate) slots: [Spec; 2],
    pub(crate) endpoints: u8,
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Change(SnapshotSpec),
    ToEnvoy(u8),
    ToServer(u8),
    Wait(u16),
    Reconnect,
    Leave,
}

fn resource(name: String, (content, mask): (u8, u8), salt: u64) -> Resource {
    let clusters = (0..5)
        .filter(|bit| mask & (1 << bit) != 0)
        .map(|bit| format!("c{bit}"));
    Resource {
        again: None,
        version: u64::from(content) | (u64::from(mask) << 8) | (salt << 16),
        clusters: clusters.collect(),
        body: Default::default(),
        name,
    }
}

/// Equal specs with equal salts make equal versions. A resource names clusters of its snapshot only.
pub(crate) fn snapshot(spec: &SnapshotSpec, salt: u64) -> Snapshot {
    let mut snapshot = Snapshot::default();
    let present = (0..5)
        .filter(|&bit| spec.clusters[bit].is_some())
        .fold(0, |mask, bit| mask | (1 << bit));
    let named = |spec: &Spec| spec.map(|(content, mask)| (content, mask & present));
    let mut add = |resource_type, prefix: &str, specs: &[Spec]| {
        for (index, spec) in specs.iter().enumerate() {
            if let Some(spec) = spec {
                snapshot.insert(resource_type, resource(format!("{prefix}{index}"), *spec, salt));
            }
        }
    };
    add(
        ResourceType::Cluster,
        "c",
        &spec
            .clusters
            .map(|cluster| cluster.map(|(content, _)| (content, 0))),
    );
    add(
        ResourceType::Endpoint,
        "c",
        &spec.clusters.map(|cluster| cluster.map(|_| (spec.endpoints, 0))),
    );
    add(ResourceType::Listener, "l", &spec.listeners.each_ref().map(named));
    add(ResourceType::Route, "r", &spec.routes.each_ref().map(named));
    add(
        ResourceType::ExtensionConfig,
        "e",
        &spec.slots.each_ref().map(named),
    );
    snapshot
}

/// The most responses that one input can lead to: LDS, one for each route and slot, and twice CDS and EDS, since the
/// clusters are looked at again when it turns out that nothing from before the stream can name them.
const MOST_RESPONSES: usize = 9;
/// The most messages that flow after the last change: far more than needed, far fewer than a loop makes.
const MOST_MESSAGES: usize = 400;

/// A response on its way, with what was wanted and what was left out on purpose when it was sent.
struct InFlight {
    response: Response,
    target: Arc<Snapshot>,
    dropped: BTreeSet<(ResourceType, String)>,
}

pub(crate) struct World {
    state: StreamState,
    pub(crate) envoy: Envoy,
    to_envoy: VecDeque<InFlight>,
    to_server: VecDeque<Sent>,
    pub(crate) target: Arc<Snapshot>,
    /// The targets before, oldest first.
    targets: Vec<Arc<Snapshot>>,
    now: u64,
    /// Clusters that Envoy has said to have and that were not removed since.
    confirmed: BTreeSet<String>,
    /// The names in each CDS response of this stream.
    cluster_sets: BTreeMap<u64, BTreeSet<String>>,
    /// What a full set left out on purpose, and none has brought back.
    dropped: BTreeSet<(ResourceType, String)>,
    last_sent: BTreeMap<(ResourceType, String), u64>,
    /// Types of which wanted content may go: what the proxy had before this stream is known to nobody, or a refusal
    /// named nobody, so that the innocent were blamed.
    pub(crate) strange: BTreeSet<ResourceType>,
    pub(crate) status: BTreeMap<ResourceType, Status>,
}

/// The registry's fold over records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) sent: String,
    pub(crate) acked: String,
    pub(crate) refused: Vec<String>,
}

impl World {
    pub(crate) fn new(target: Snapshot) -> Self {
        let target = Arc::new(target);
        let mut world = Self {
            state: StreamState::new(LINGER, View::Assigned(target.clone()), Vec::new()),
            envoy: Envoy::default(),
            to_envoy: VecDeque::new(),
            to_server: VecDeque::new(),
            target,
            targets: Vec::new(),
            now: 0,
            confirmed: BTreeSet::new(),
            cluster_sets: BTreeMap::new(),
            dropped: BTreeSet::new(),
            last_sent: BTreeMap::new(),
            strange: BTreeSet::new(),
            status: BTreeMap::new(),
        };
        world.connect();
        world
    }

    fn connect(&mut self) {
        self.to_envoy.clear();
        self.confirmed.clear();
        self.cluster_sets.clear();
        self.last_sent.clear();
        self.status.clear();
        self.to_server = self.envoy.connect().into();
        while !self.to_server.is_empty() {
            self.deliver_to_server();
        }
    }

    pub(crate) fn step(&mut self, step: &Step, salt: u64) {
        match step {
            Step::Change(spec) => self.change(snapshot(spec, salt)),
            Step::ToEnvoy(count) => (0..*count).for_each(|_| self.deliver_to_envoy()),
            Step::ToServer(count) => (0..*count).for_each(|_| self.deliver_to_server()),
            Step::Wait(ms) => self.wait(u64::from(*ms)),
            Step::Reconnect => self.reconnect(),
            Step::Leave => self.leave(),
        }
    }

    pub(crate) fn change(&mut self, target: Snapshot) {
        self.targets
            .push(std::mem::replace(&mut self.target, Arc::new(target)));
        let out = self.state.view(View::Assigned(self.target.clone()), self.now);
        self.collect(out);
    }

    /// The Gateway is deleted: nothing may go out.
    fn leave(&mut self) {
        let out = self.state.view(View::Gone, self.now);
        assert!(
            out.iter()
                .all(|output| matches!(output, Output::Record(Record::Assigned(_))))
        );
        assert_eq!(self.state.deadline(), None);
    }

    fn reconnect(&mut self) {
        self.strange = [ResourceType::Cluster, ResourceType::Listener]
            .into_iter()
            .filter(|&resource_type| self.envoy.version(resource_type).is_empty())
            .collect();
        let former = self.targets.iter().rev().cloned().collect();
        self.state = StreamState::new(LINGER, View::Assigned(self.target.clone()), former);
        self.connect();
    }

    fn wait(&mut self, ms: u64) {
        self.now += ms;
        if self.state.deadline().is_some_and(|at| at <= self.now) {
            let out = self.state.tick(self.now);
            self.collect(out);
        }
    }

    fn deliver_to_server(&mut self) {
        let Some(sent) = self.to_server.pop_front() else {
            return;
        };
        if sent.request.resource_type == ResourceType::Cluster {
            self.confirm(&sent);
        }
        let out = self.state.request(&sent.request, self.now);
        self.collect(out);
    }

    fn confirm(&mut self, sent: &Sent) {
        let Ok(nonce) = sent.request.nonce.parse::<u64>() else {
            return;
        };
        let later = || self.cluster_sets.range(nonce + 1..).map(|(_, names)| names);
        let lasting = |name: &&String| later().all(|names| names.contains(*name));
        self.confirmed = sent.clusters.iter().filter(lasting).cloned().collect();
    }

    fn deliver_to_envoy(&mut self) {
        let Some(in_flight) = self.to_envoy.pop_front() else {
            return;
        };
        let (effect, sent) = self.envoy.receive(&in_flight.response);
        self.check_effect(&in_flight, &effect, &sent);
        self.to_server.extend(sent);
    }

    fn check_effect(&mut self, in_flight: &InFlight, effect: &Effect, sent: &[Sent]) {
        let InFlight {
            response,
            target,
            dropped,
        } = in_flight;
        let wanted = target.of(response.resource_type);
        if sent
            .iter()
            .any(|sent| sent.request.error.as_deref() == Some(NAMELESS))
        {
            self.strange
                .extend([ResourceType::Cluster, ResourceType::Listener]);
        }
        for name in &effect.removed {
            let strange = self.strange.contains(&response.resource_type)
                || dropped.contains(&(response.resource_type, name.clone()));
            assert!(
                strange || !wanted.contains_key(name),
                "{name} is removed though it is wanted"
            );
        }
        if response.resource_type == ResourceType::Cluster {
            self.check_removed_clusters(effect);
        }
        for resource in &effect.applied {
            let clusters = self.envoy.of(ResourceType::Cluster);
            let mut awaited = resource
                .clusters
                .iter()
                .filter(|name| target.of(ResourceType::Cluster).contains_key(*name));
            assert!(
                awaited.all(|name| clusters.contains_key(name)),
                "{} came too early",
                resource.name
            );
        }
    }

    fn check_removed_clusters(&self, effect: &Effect) {
        let removed = effect.removed.iter().filter(|_| self.strange.is_empty());
        for name in removed {
            assert_eq!(
                self.envoy.users(name),
                [""; 0],
                "{name} is removed though it is in use"
            );
        }
    }

    /// Lets everything arrive, and time pass up to `ticks` deadlines.
    pub(crate) fn settle(&mut self, mut ticks: usize) {
        loop {
            self.deliver_all();
            match self.state.deadline() {
                Some(at) if ticks > 0 => self.wait(at.saturating_sub(self.now)),
                _ => return,
            }
            ticks -= 1;
        }
    }

    fn deliver_all(&mut self) {
        for _ in 0..MOST_MESSAGES {
            if self.to_envoy.is_empty() && self.to_server.is_empty() {
                return;
            }
            self.deliver_to_envoy();
            self.deliver_to_server();
        }
        panic!("messages flow without end");
    }

    fn collect(&mut self, out: Vec<Output>) {
        let responses = out
            .iter()
            .filter(|output| matches!(output, Output::Respond(_)))
            .count();
        assert!(responses <= MOST_RESPONSES, "{responses} responses to one input");
        for output in out {
            match output {
                Output::Respond(response) => self.send(response),
                Output::Record(record) => self.record(record),
            }
        }
    }

    fn send(&mut self, response: Response) {
        if response.resource_type == ResourceType::Cluster {
            let names: BTreeSet<String> = response
                .resources
                .iter()
                .map(|resource| resource.name.clone())
                .collect();
            self.confirmed.retain(|name| names.contains(name));
            self.cluster_sets.insert(response.nonce.parse().unwrap(), names);
        }
        self.note_dropped(&response);
        for resource in &response.resources {
            self.check_clusters(response.resource_type, resource);
        }
        self.to_envoy.push_back(InFlight {
            response,
            target: self.target.clone(),
            dropped: self.dropped.clone(),
        });
    }

    fn note_dropped(&mut self, response: &Response) {
        let resource_type = response.resource_type;
        let sent = self
            .last_sent
            .keys()
            .filter(|(sent, _)| *sent == resource_type)
            .cloned();
        let absent = sent.filter(|(_, name)| !self.target.of(resource_type).contains_key(name));
        self.dropped.extend(absent);
        for resource in &response.resources {
            self.dropped.remove(&(resource_type, resource.name.clone()));
        }
    }

    /// What goes out anew names no cluster of the target that the proxy has not taken.
    fn check_clusters(&mut self, resource_type: ResourceType, resource: &Resource) {
        let last = self
            .last_sent
            .insert((resource_type, resource.name.clone()), resource.version);
        if last == Some(resource.version) {
            return;
        }
        let wanted = self.target.of(ResourceType::Cluster);
        let mut awaited = resource.clusters.iter().filter(|name| wanted.contains_key(*name));
        assert!(
            awaited.all(|name| self.confirmed.contains(name)),
            "{} goes too early",
            resource.name
        );
    }

    fn record(&mut self, record: Record) {
        match record {
            Record::Assigned(_) | Record::Answered { .. } => {}
            Record::Sent {
                resource_type,
                version,
            } => {
                let status = self.status.entry(resource_type).or_default();
                status.sent = version;
                status.refused.clear();
            }
            Record::Acked {
                resource_type,
                version,
            } => {
                let status = self.status.entry(resource_type).or_default();
                status.acked = version;
                status.refused.clear();
            }
            Record::Nacked {
                resource_type,
                resources,
                ..
            } => {
                self.status.entry(resource_type).or_default().refused = resources;
            }
        }
    }
}
