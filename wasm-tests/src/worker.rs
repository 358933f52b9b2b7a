//! A worker of the process, and the VM that a filter has there.

use std::sync::Arc;

use crate::chain::ChainSpec;
use crate::error::HostError;
use crate::fleet::WorldHandle;
use crate::process::shared::locked;
use crate::request::{Request, RequestOutcome};
use crate::stream::Stream;
use crate::world::WorkerRef;

/// One worker's side of a plugin. A cheap handle: clones are the same worker.
#[derive(Clone)]
pub struct Worker {
    world: WorldHandle,
    at: WorkerRef,
    plugin: usize,
}

impl Worker {
    pub(crate) fn new(world: WorldHandle, at: WorkerRef, plugin: usize) -> Self {
        Self { world, at, plugin }
    }

    /// The worker's index, from 0.
    pub fn index(&self) -> usize {
        self.at.worker
    }

    /// The number of the VM that serves, unique in the process: it changes when the VM is another one.
    pub fn vm(&self) -> Option<u64> {
        locked(&self.world).instance(self.at, self.plugin)?.vm
    }

    /// How often a VM that had trapped was replaced by a new one (Envoy's `vm_reload_success`).
    pub fn reloads(&self) -> u64 {
        let world = locked(&self.world);
        world
            .instance(self.at, self.plugin)
            .map_or(0, |instance| instance.reloads)
    }

    /// A request to this filter alone, from its headers to its end: [`Worker::open`], then [`Stream::finish`].
    ///
    /// # Errors
    /// As [`Worker::open`] and [`Stream::finish`].
    pub fn request(&self, request: Request) -> Result<RequestOutcome, HostError> {
        let stream = self.open(request)?;
        let outcome = stream.outcome();
        stream.finish()?;
        Ok(outcome)
    }

    /// Begins a stream through this filter alone; the test is its client and its upstream.
    ///
    /// # Errors
    /// [`HostError::Trap`] or [`HostError::OutOfFuel`] when the filter failed (the client gets what the failure policy
    /// says), and [`HostError::NotConfigured`].
    pub fn open(&self, request: Request) -> Result<Stream, HostError> {
        let chain = Arc::new(ChainSpec::of_test(self.plugin));
        let mut world = locked(&self.world);
        let traps = world.trap_count(self.at.process);
        world.require_configured(self.at, self.plugin)?;
        let opened = world.open(self.at, chain, request);
        world.first_trap_since(self.at.process, traps)?;
        Ok(Stream::new(Arc::clone(&self.world), opened))
    }

    /// Keeps the worker's event loop busy: updates and ticks wait, until [`Worker::resume`]. Requests that a test makes
    /// are still served, by what the worker has.
    pub fn stall(&self) {
        locked(&self.world).stall(self.at);
    }

    /// Ends [`Worker::stall`]: the last update that waited comes now, ticks that waited with the next
    /// [`Process::advance`](crate::Process::advance).
    ///
    /// # Errors
    /// Those of [`Plugin::configure`](crate::Plugin::configure) on this worker.
    pub fn resume(&self) -> Result<(), HostError> {
        locked(&self.world).unstall(self.at)
    }

    /// The worker's thread is lost: its VMs and streams are gone without a word, and the worker comes back with
    /// new VMs and the configurations in force. Shared data, queues and metrics stay.
    ///
    /// # Errors
    /// Those of [`Plugin::configure`](crate::Plugin::configure) on this worker.
    pub fn lose(&self) -> Result<(), HostError> {
        locked(&self.world).lose(self.at)
    }
}
