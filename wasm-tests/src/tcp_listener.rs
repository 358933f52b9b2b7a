//! Where clients' TCP connections come in.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::connection::Connection;
use crate::fleet::WorldHandle;
use crate::listener::require_own;
use crate::process::shared::locked;
use crate::tcp_chain::{TcpChain, TcpChainSpec};
use crate::world::WorkerRef;

/// A TCP listener of a process.
#[derive(Clone)]
pub struct TcpListener {
    world: WorldHandle,
    process: usize,
    chain: Arc<TcpChainSpec>,
    properties: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl TcpListener {
    pub(crate) fn new(world: &WorldHandle, process: usize, chain: TcpChain) -> Self {
        require_own(process, &chain.filters);
        Self {
            world: Arc::clone(world),
            process,
            chain: Arc::new(chain.spec()),
            properties: BTreeMap::new(),
        }
    }

    /// A property that filters read on the connections of this handle, such as `["source", "address"]`.
    #[must_use]
    pub fn property(mut self, path: &[&str], value: impl Into<Vec<u8>>) -> Self {
        self.properties.insert(path.join("\0").into_bytes(), value.into());
        self
    }

    /// Connects a client to a worker, and runs what happens at once; what takes time happens when time is moved.
    pub fn connect(&self, worker: usize) -> Connection {
        let at = WorkerRef {
            process: self.process,
            worker,
        };
        let opened = locked(&self.world).connect(at, Arc::clone(&self.chain), self.properties.clone());
        Connection::new(Arc::clone(&self.world), opened)
    }
}
