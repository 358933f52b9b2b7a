//! A stream's entry in the registry of proxies.

use std::collections::BTreeMap;
use std::sync::Arc;

use weir_core::node::Node;
use weir_core::proxy::{Assignment, Nack, Proxies, ProxyStatus, StreamId};

use crate::stream::Record;

/// Instants for people, Unix ms.
pub type Clock = fn() -> u64;

/// Says that the proxy has gone when it is dropped.
#[derive(Debug)]
pub(crate) struct Registration {
    proxies: Arc<Proxies>,
    clock: Clock,
    id: String,
    stream: StreamId,
}

impl Registration {
    pub(crate) fn new(proxies: Arc<Proxies>, clock: Clock, node: &Node, assignment: Assignment) -> Self {
        let stream = proxies.connected(ProxyStatus {
            id: node.id.clone(),
            cluster: node.cluster.clone(),
            version: node.version.clone(),
            assignment,
            connected: true,
            since_ms: clock(),
            revision: 0,
            types: BTreeMap::new(),
        });
        Self {
            id: node.id.clone(),
            proxies,
            clock,
            stream,
        }
    }

    pub(crate) const fn stream(&self) -> StreamId {
        self.stream
    }

    /// The proxy has taken all that it gets at this revision.
    pub(crate) fn settled(&self, revision: u64) {
        self.proxies.settled(&self.id, self.stream, revision);
    }

    /// Writes down what happened.
    pub(crate) fn record(&self, record: Record) {
        let now = (self.clock)();
        match record {
            Record::Assigned(assignment) => self.proxies.assigned(&self.id, self.stream, assignment),
            Record::Answered { resource_type, taken } => self.proxies.answered(resource_type, taken),
            Record::Sent {
                resource_type,
                version,
            } => {
                tracing::debug!(service = resource_type.service(), version, "sent");
                self.proxies
                    .sent(&self.id, self.stream, resource_type, &version, now);
            }
            Record::Acked {
                resource_type,
                version,
            } => {
                tracing::debug!(service = resource_type.service(), version, "taken");
                self.proxies
                    .acked(&self.id, self.stream, resource_type, &version, now);
            }
            Record::Nacked {
                resource_type,
                version,
                message,
                resources,
            } => {
                let service = resource_type.service();
                tracing::warn!(service, version, ?resources, message, "refused");
                let nack = Nack {
                    version,
                    message,
                    resources,
                    at_ms: now,
                };
                self.proxies.nacked(&self.id, self.stream, resource_type, nack);
            }
        }
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.proxies.disconnected(&self.id, self.stream, (self.clock)());
    }
}
