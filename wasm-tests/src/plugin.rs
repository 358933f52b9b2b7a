//! A filter in a process: one VM per worker, one configuration in force.

use std::sync::Arc;

use crate::error::HostError;
use crate::fleet::WorldHandle;
use crate::module::Module;
use crate::plugin_options::PluginOptions;
use crate::process::shared::{Shared, locked};
use crate::worker::Worker;
use crate::world::WorkerRef;

/// What every VM of a plugin is made from.
pub(crate) struct PluginSpec {
    pub(crate) module: Module,
    pub(crate) options: PluginOptions,
    pub(crate) shared: Arc<Shared>,
}

impl PluginSpec {
    pub(crate) fn name(&self) -> &str {
        &self.options.name
    }

    /// Plugins of one worker that agree in this share their VM, as in Envoy.
    pub(crate) fn same_vm(&self, other: &Self) -> bool {
        let key = |spec: &Self| {
            (
                spec.options.vm_id.clone(),
                spec.options.vm_configuration.clone(),
                spec.module.digest(),
            )
        };
        key(self) == key(other)
    }
}

/// A filter that a process has loaded.
pub struct Plugin {
    pub(crate) world: WorldHandle,
    pub(crate) process: usize,
    pub(crate) index: usize,
    workers: Vec<Worker>,
}

impl Plugin {
    pub(crate) fn new(world: &WorldHandle, process: usize, index: usize, workers: usize) -> Self {
        let worker = |worker| Worker::new(Arc::clone(world), WorkerRef { process, worker }, index);
        Self {
            world: Arc::clone(world),
            process,
            index,
            workers: (0..workers).map(worker).collect(),
        }
    }

    /// Updates the configuration as Envoy does it under ECDS.
    ///
    /// A new VM, the canary, tries it first, over the same shared data. Then every worker makes a *new root context
    /// in the VM that it has*: what the VM keeps in statics survives. New streams belong to the new root context;
    /// an older one keeps its ticks until its last stream has ended, then is done and deleted. The configuration
    /// that is in force changes nothing when it comes again.
    ///
    /// # Errors
    /// [`HostError::Refused`], [`HostError::Trap`] or [`HostError::OutOfFuel`] from the canary: no worker has seen
    /// the update, and the old configuration serves on. From a worker after the canary had taken it: that worker
    /// has nothing in force, as in Envoy.
    pub fn configure(&self, configuration: impl Into<Vec<u8>>) -> Result<(), HostError> {
        let configuration: Arc<[u8]> = configuration.into().into();
        locked(&self.world).configure(self.process, self.index, &configuration)
    }

    /// The worker at `index`, from 0.
    ///
    /// # Panics
    /// When the process has fewer workers.
    #[expect(
        clippy::panic,
        reason = "an index out of range is a mistake in the test itself"
    )]
    pub fn worker(&self, index: usize) -> &Worker {
        match self.workers.get(index) {
            Some(worker) => worker,
            None => panic!("no worker {index}: the process has {}", self.workers.len()),
        }
    }

    /// All workers, in order.
    pub fn workers(&self) -> impl Iterator<Item = &Worker> {
        self.workers.iter()
    }
}
