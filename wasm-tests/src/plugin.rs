//! A filter in a process: one VM per worker, one configuration in force.

use std::sync::{Arc, Mutex};

use crate::error::HostError;
use crate::module::Module;
use crate::process::shared::{Shared, locked};
use crate::vm::{Configured, Vm};
use crate::worker::Worker;

/// How a filter's VMs are set up.
#[derive(Clone, Debug)]
pub struct PluginOptions {
    /// VMs with the same id share their data.
    pub vm_id: String,
    /// What the filter reads as its VM configuration.
    pub vm_configuration: Vec<u8>,
    /// How much one callback may do, about one unit per instruction.
    pub fuel_per_callback: u64,
}

impl PluginOptions {
    /// `vm_id` `weir.<filter>`, no VM configuration, 500 million units of fuel (under a second of work).
    pub fn of(module: &Module) -> Self {
        Self {
            vm_id: format!("weir.{}", module.filter()),
            vm_configuration: Vec::new(),
            fuel_per_callback: 500_000_000,
        }
    }
}

/// What every VM of a plugin is made from.
pub(crate) struct PluginSpec {
    pub(crate) module: Module,
    pub(crate) options: PluginOptions,
    pub(crate) shared: Arc<Shared>,
}

impl PluginSpec {
    pub(crate) fn filter(&self) -> String {
        self.module.filter().to_owned()
    }
}

/// A filter that a process has loaded.
pub struct Plugin {
    spec: Arc<PluginSpec>,
    workers: Vec<Worker>,
    in_force: Mutex<Option<Arc<[u8]>>>,
}

impl Plugin {
    pub(crate) fn new(module: &Module, options: PluginOptions, shared: &Arc<Shared>, workers: usize) -> Self {
        let spec = Arc::new(PluginSpec {
            module: module.clone(),
            options,
            shared: Arc::clone(shared),
        });
        let workers = (0..workers)
            .map(|index| Worker::new(Arc::clone(&spec), index))
            .collect();
        Self {
            spec,
            workers,
            in_force: Mutex::default(),
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
        let mut in_force = locked(&self.in_force);
        if in_force.as_ref() == Some(&configuration) {
            return Ok(());
        }
        self.try_in_canary(&configuration)?;
        *in_force = Some(Arc::clone(&configuration));
        let results = self.workers.iter().map(|worker| worker.configure(&configuration));
        results.fold(Ok(()), Result::and)
    }

    fn try_in_canary(&self, configuration: &Arc<[u8]>) -> Result<(), HostError> {
        let mut canary = Vm::start(&self.spec, None)?;
        match canary.configure(configuration)? {
            Configured::Taken => Ok(()),
            Configured::Refused(refusal) => Err(refusal),
        }
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
