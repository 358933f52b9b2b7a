//! What one stream carries, as all filters of its chain see it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::abi::Direction;
use crate::header_map::HeaderMap;

/// One direction's headers and trailers.
#[derive(Clone, Default)]
pub(crate) struct Message {
    pub(crate) headers: HeaderMap,
    pub(crate) trailers: Option<HeaderMap>,
}

/// What the proxy itself knows of a stream (Envoy's `StreamInfo`).
#[derive(Clone, Default)]
pub(crate) struct StreamInfo {
    /// When it began, in nanoseconds since the Unix epoch on the wall clock.
    pub(crate) time: u64,
    /// When it began and ended, in nanoseconds on the steady clock.
    pub(crate) started: u64,
    pub(crate) protocol: &'static str,
    pub(crate) virtual_host: String,
    pub(crate) route_name: String,
    pub(crate) cluster_name: Option<String>,
    pub(crate) upstream_host: Option<String>,
    /// How many hosts the cluster has.
    pub(crate) endpoints: Option<u64>,
    /// How many tries there have been; 0 before the router.
    pub(crate) attempt_count: u64,
    pub(crate) response_code_details: Option<String>,
    /// Why the connection to the upstream failed.
    pub(crate) transport_failure: String,
    /// Envoy's response flags as bits.
    pub(crate) response_flags: u64,
    /// Bytes of the body that have come from the client.
    pub(crate) request_bytes: u64,
    /// Bytes of the body that have gone to the client.
    pub(crate) response_bytes: u64,
    pub(crate) ended: Option<u64>,
}

/// A stream's messages and state.
#[derive(Clone, Default)]
pub(crate) struct Flow {
    pub(crate) request: Message,
    pub(crate) response: Message,
    pub(crate) info: StreamInfo,
    /// What the test gave, by path.
    pub(crate) properties: BTreeMap<Vec<u8>, Vec<u8>>,
    /// What filters have set, by the path that they named.
    pub(crate) filter_state: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The cluster that a filter has chosen for its TCP connection.
    pub(crate) tcp_cluster: Option<String>,
}

/// A flow, shared by the contexts of all filters of a stream.
pub(crate) type SharedFlow = Arc<Mutex<Flow>>;

impl Flow {
    pub(crate) fn message(&self, direction: Direction) -> &Message {
        match direction {
            Direction::Request => &self.request,
            Direction::Response => &self.response,
        }
    }

    pub(crate) fn message_mut(&mut self, direction: Direction) -> &mut Message {
        match direction {
            Direction::Request => &mut self.request,
            Direction::Response => &mut self.response,
        }
    }
}
