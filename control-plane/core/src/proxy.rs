//! Proxies: who is connected, what each was sent, and what each took or refused.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use crate::snapshot::ResourceType;

/// One proxy's refusal of one response.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Nack {
    /// The `version_info` refused.
    pub version: String,
    /// Envoy's words.
    pub message: String,
    /// The resources refused, as far as Envoy's words name them; else all that had changed.
    pub resources: Vec<String>,
    /// When, Unix ms.
    pub at_ms: u64,
}

/// What one proxy has of one type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TypeStatus {
    /// The `version_info` last sent.
    pub sent_version: Option<String>,
    /// When it was sent, Unix ms.
    pub sent_at_ms: Option<u64>,
    /// The `version_info` last taken.
    pub acked_version: Option<String>,
    /// When it was taken, Unix ms.
    pub acked_at_ms: Option<u64>,
    /// The refusal of what was last sent; none when it was taken or is not answered yet.
    pub nack: Option<Nack>,
}

/// Why a proxy gets what it gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Assignment {
    /// It serves its Gateway.
    Assigned,
    /// Its `node.cluster` names no Gateway.
    Unassigned,
    /// Its Gateway was deleted; it keeps what it had.
    GatewayGone,
}

/// One proxy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ProxyStatus {
    /// `node.id`.
    pub id: String,
    /// `node.cluster`.
    pub cluster: String,
    /// Envoy's version.
    pub version: String,
    /// Why it gets what it gets.
    pub assignment: Assignment,
    /// Whether a stream is open.
    pub connected: bool,
    /// When the stream was opened or closed, Unix ms.
    pub since_ms: u64,
    /// The revision whose whole view it has taken last; 0: none yet on this stream.
    pub revision: u64,
    /// By service: `CDS`, `EDS`, …
    pub types: BTreeMap<&'static str, TypeStatus>,
}

/// A stream of one proxy; a proxy that reconnects has a new one.
pub type StreamId = u64;

/// Every proxy seen since the start, by node id. The newest stream of an id is the one that counts.
#[derive(Debug, Default)]
pub struct Proxies {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    by_id: BTreeMap<String, (StreamId, ProxyStatus)>,
    next_stream: StreamId,
    answers: BTreeMap<(&'static str, bool), u64>,
}

/// How many proxies that are gone are remembered.
const MAX_DISCONNECTED: usize = 10_000;

impl Proxies {
    /// A proxy opened a stream.
    pub fn connected(&self, status: ProxyStatus) -> StreamId {
        let mut inner = self.lock();
        inner.next_stream += 1;
        let stream = inner.next_stream;
        inner.by_id.insert(status.id.clone(), (stream, status));
        stream
    }

    /// Its stream ended.
    pub fn disconnected(&self, id: &str, stream: StreamId, now_ms: u64) {
        let mut inner = self.lock();
        if let Some(status) = inner.current(id, stream) {
            status.connected = false;
            status.since_ms = now_ms;
        }
        inner.forget_oldest();
    }

    /// Its assignment changed.
    pub fn assigned(&self, id: &str, stream: StreamId, assignment: Assignment) {
        if let Some(status) = self.lock().current(id, stream) {
            status.assignment = assignment;
        }
    }

    /// It has taken all that it gets at this revision.
    pub fn settled(&self, id: &str, stream: StreamId, revision: u64) {
        if let Some(status) = self.lock().current(id, stream) {
            status.revision = revision;
        }
    }

    /// A response went out.
    pub fn sent(&self, id: &str, stream: StreamId, resource_type: ResourceType, version: &str, now_ms: u64) {
        self.update(id, stream, resource_type, |status| {
            status.sent_version = Some(version.to_owned());
            status.sent_at_ms = Some(now_ms);
            status.nack = None;
        });
    }

    /// A response was answered: taken or refused.
    pub fn answered(&self, resource_type: ResourceType, taken: bool) {
        *self
            .lock()
            .answers
            .entry((resource_type.service(), taken))
            .or_default() += 1;
    }

    /// The proxy has everything of this version.
    pub fn acked(&self, id: &str, stream: StreamId, resource_type: ResourceType, version: &str, now_ms: u64) {
        self.update(id, stream, resource_type, |status| {
            status.acked_version = Some(version.to_owned());
            status.acked_at_ms = Some(now_ms);
            status.nack = None;
        });
    }

    /// A response was refused.
    pub fn nacked(&self, id: &str, stream: StreamId, resource_type: ResourceType, nack: Nack) {
        self.update(id, stream, resource_type, |status| status.nack = Some(nack));
    }

    /// Every proxy, by id.
    pub fn list(&self) -> Vec<ProxyStatus> {
        self.lock()
            .by_id
            .values()
            .map(|(_, status)| status.clone())
            .collect()
    }

    /// How many proxies have a stream open, by `node.cluster`.
    pub fn connected_by_cluster(&self) -> BTreeMap<String, usize> {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for (_, status) in self.lock().by_id.values().filter(|(_, status)| status.connected) {
            match counts.get_mut(&status.cluster) {
                Some(count) => *count += 1,
                None => drop(counts.insert(status.cluster.clone(), 1)),
            }
        }
        counts
    }

    /// How many responses were taken (`true`) or refused (`false`), by service.
    pub fn answers(&self) -> BTreeMap<(&'static str, bool), u64> {
        self.lock().answers.clone()
    }

    fn update(
        &self,
        id: &str,
        stream: StreamId,
        resource_type: ResourceType,
        change: impl FnOnce(&mut TypeStatus),
    ) {
        if let Some(status) = self.lock().current(id, stream) {
            change(status.types.entry(resource_type.service()).or_default());
        }
    }

    /// A panic elsewhere leaves the map whole: every change to it is one assignment.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn current(&mut self, id: &str, stream: StreamId) -> Option<&mut ProxyStatus> {
        self.by_id
            .get_mut(id)
            .filter(|(current, _)| *current == stream)
            .map(|(_, status)| status)
    }

    fn forget_oldest(&mut self) {
        let gone = || self.by_id.values().filter(|(_, status)| !status.connected);
        if gone().count() <= MAX_DISCONNECTED {
            return;
        }
        let oldest = gone()
            .min_by_key(|(_, status)| status.since_ms)
            .map(|(_, status)| status.id.clone());
        if let Some(id) = oldest {
            self.by_id.remove(&id);
        }
    }
}
