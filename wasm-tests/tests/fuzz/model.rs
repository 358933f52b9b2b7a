//! What has to come out: the filter's logic, run natively, and a model of what the host around it promises.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use serde_json::Value;
use weir_shard_map::{Decision, Rejection, ShardRouter};

use crate::asked::Asked;

const FAMILY: &str = "weir_requests_total.filter.shard-router.outcome";
/// Shards with a counter of their own.
const OWN_COUNTERS: usize = 1_024;

/// A configuration that has to be taken.
pub(crate) struct Taken {
    pub(crate) bytes: Vec<u8>,
    pub(crate) router: ShardRouter,
    /// Every cluster that stands in its JSON.
    pub(crate) clusters: BTreeSet<String>,
}

/// What has to become of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    Forward { cluster: String, shard: String },
    NoRule,
    Reject,
}

/// One worker.
#[derive(Default)]
struct Worker {
    serving: Option<Rc<Taken>>,
    pending: Option<Rc<Taken>>,
    stalled: bool,
}

/// A process.
pub(crate) struct Model {
    workers: Vec<Worker>,
    in_force: Option<Rc<Taken>>,
    /// What the counters have to say, by name.
    counted: BTreeMap<String, u64>,
    /// Every slot that there was.
    slots: BTreeSet<String>,
}

impl Taken {
    /// The configuration, where the filter's logic takes it.
    pub(crate) fn try_new(bytes: &[u8]) -> Option<Rc<Self>> {
        let router = ShardRouter::from_json(bytes).ok()?;
        let json: Value = serde_json::from_slice(bytes).ok()?;
        Some(Rc::new(Self {
            bytes: bytes.to_vec(),
            router,
            clusters: clusters(&json),
        }))
    }

    /// What has to become of a request, and the counter that counts it.
    pub(crate) fn expected(&self, request: &Asked) -> (Expected, String) {
        let received = request.received();
        let view: Vec<(&str, &[u8])> = received
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()))
            .collect();
        let decision = self.router.on_request(&view[..]);
        let expected = match decision {
            Decision::Forward { target, .. } => Expected::Forward {
                cluster: target.cluster.to_owned(),
                shard: target.shard.to_owned(),
            },
            Decision::NoRule => Expected::NoRule,
            Decision::Reject { .. } => Expected::Reject,
        };
        (expected, format!("{FAMILY}.{}", self.outcome(&decision)))
    }

    fn outcome(&self, decision: &Decision<'_>) -> String {
        match *decision {
            Decision::NoRule => "no-rule".to_owned(),
            Decision::Forward { map, target } => {
                let before: usize = self
                    .router
                    .maps()
                    .take(map)
                    .map(|(_, map)| map.shards().count())
                    .sum();
                let own = before + target.index < OWN_COUNTERS;
                let shard = if own { target.shard } else { "_other" };
                format!("forward.map.{}.shard.{shard}", self.label(map))
            }
            Decision::Reject { map, rejection } => {
                let outcome = match rejection {
                    Rejection::MissingKey => "missing-key",
                    Rejection::KeyTooLong { .. } => "key-too-long",
                };
                format!("{outcome}.map.{}", self.label(map))
            }
        }
    }

    /// A map's name in a counter's.
    fn label(&self, map: usize) -> String {
        let (name, _) = self.router.maps().nth(map).unwrap();
        name.replace(
            |letter: char| !letter.is_ascii_alphanumeric() && letter != '-',
            "_",
        )
    }
}

/// The values of all members that name a cluster.
fn clusters(json: &Value) -> BTreeSet<String> {
    match json {
        Value::Array(elements) => elements.iter().flat_map(clusters).collect(),
        Value::Object(members) => {
            let named = ["readCluster", "writeCluster"]
                .iter()
                .filter_map(|name| members.get(*name)?.as_str());
            let own: BTreeSet<String> = named.map(str::to_owned).collect();
            members.values().flat_map(clusters).chain(own).collect()
        }
        _ => BTreeSet::new(),
    }
}

impl Model {
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            workers: (0..workers).map(|_| Worker::default()).collect(),
            in_force: None,
            counted: BTreeMap::new(),
            slots: BTreeSet::new(),
        }
    }

    /// A configuration that was taken; the one that is in force changes nothing when it comes again.
    pub(crate) fn configure(&mut self, taken: &Rc<Taken>) {
        if self
            .in_force
            .as_ref()
            .is_some_and(|known| known.bytes == taken.bytes)
        {
            return;
        }
        self.in_force = Some(Rc::clone(taken));
        self.slots.insert(taken.router.slot().to_owned());
        for worker in &mut self.workers {
            worker.pending = Some(Rc::clone(taken));
            worker.update();
        }
    }

    pub(crate) fn stall(&mut self, worker: usize) {
        self.workers[worker].stalled = true;
    }

    pub(crate) fn resume(&mut self, worker: usize) {
        self.workers[worker].stalled = false;
        self.workers[worker].update();
    }

    /// What a worker serves with.
    pub(crate) fn serving(&self, worker: usize) -> Option<Rc<Taken>> {
        self.workers[worker].serving.clone()
    }

    pub(crate) fn count(&mut self, counter: String) {
        *self.counted.entry(counter).or_default() += 1;
    }

    pub(crate) fn counted(&self) -> &BTreeMap<String, u64> {
        &self.counted
    }

    pub(crate) fn slots(&self) -> &BTreeSet<String> {
        &self.slots
    }

    /// The generation that the gauge has to show once every worker has ticked. None while one is stalled, before there
    /// is a configuration, and as long as streams of two slots may be open.
    pub(crate) fn generation(&self) -> Option<u64> {
        let settled = self.slots.len() == 1 && self.workers.iter().all(|worker| !worker.stalled);
        self.last_generation().filter(|_| settled)
    }

    /// The generation that came last.
    pub(crate) fn last_generation(&self) -> Option<u64> {
        self.in_force.as_ref().map(|taken| taken.router.generation())
    }
}

impl Worker {
    fn update(&mut self) {
        if !self.stalled
            && let Some(taken) = self.pending.take()
        {
            self.serving = Some(taken);
        }
    }
}
