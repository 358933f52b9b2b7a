//! A TCP connection and what became of it.

use crate::fleet::WorldHandle;
use crate::process::shared::locked;
use crate::world::tcp::OpenedConnection;

/// What the upstream of a connection has seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TcpUpstream {
    /// The cluster.
    pub cluster: String,
    /// The host in it.
    pub host: String,
    /// The bytes so far.
    pub received: Vec<u8>,
    /// The proxy sends no more.
    pub ended: bool,
    /// The connection is gone.
    pub closed: bool,
}

/// What both ends of a connection have seen.
#[derive(Default)]
pub(crate) struct ConnectionRecord {
    pub(crate) received: Vec<u8>,
    pub(crate) ended: bool,
    pub(crate) closed: bool,
    pub(crate) upstream: Option<TcpUpstream>,
}

/// One client's connection through a [`TcpListener`](crate::TcpListener). It stays whether or not anybody looks.
pub struct Connection {
    world: WorldHandle,
    opened: OpenedConnection,
}

impl Connection {
    pub(crate) fn new(world: WorldHandle, opened: OpenedConnection) -> Self {
        Self { world, opened }
    }

    /// The client sends bytes; with `end` it sends no more after them, and still receives.
    pub fn send(&self, bytes: &[u8], end: bool) {
        let mut world = locked(&self.world);
        world.client_sends(self.opened.at, bytes, end);
        world.run_due();
    }

    /// The client sends no more and takes no more. Its connection ends when the upstream has ended too; bytes that
    /// come for it before are answered by a reset.
    pub fn close(&self) {
        let mut world = locked(&self.world);
        world.client_leaves(self.opened.at);
        world.run_due();
    }

    /// The client resets its connection.
    pub fn reset(&self) {
        let mut world = locked(&self.world);
        world.client_resets(self.opened.at);
        world.run_due();
    }

    /// What the client has received so far.
    pub fn received(&self) -> Vec<u8> {
        locked(&self.opened.record).received.clone()
    }

    /// The client has been told that nothing more comes.
    pub fn is_ended(&self) -> bool {
        let record = locked(&self.opened.record);
        record.ended || record.closed
    }

    /// The connection is gone.
    pub fn is_closed(&self) -> bool {
        locked(&self.opened.record).closed
    }

    /// The upstream, once there is one.
    pub fn upstream(&self) -> Option<TcpUpstream> {
        locked(&self.opened.record).upstream.clone()
    }
}
