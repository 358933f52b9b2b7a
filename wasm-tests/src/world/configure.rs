//! Configurations, and the VMs that run them.

use std::sync::Arc;

use crate::error::HostError;
use crate::plugin::PluginSpec;
use crate::plugin_options::FailurePolicy;
use crate::process::shared::{locked, nanoseconds};
use crate::vm::Vm;
use crate::world::{VmRef, WorkerRef, World};

/// A plugin on a worker.
#[derive(Default)]
pub(crate) struct Instance {
    /// What is in force.
    pub(crate) configuration: Option<Arc<[u8]>>,
    /// An update that the worker has not come to.
    pending: Option<Arc<[u8]>>,
    /// The VM that gets new streams; after a failure its number stands here until there is a new one.
    pub(crate) vm: Option<u64>,
    /// The root context that gets new streams.
    pub(crate) root: u32,
    /// When the VM was made.
    made_at: u64,
    pub(crate) reloads: u64,
}

impl World {
    /// Updates a plugin: a canary first, then each worker that is not stalled.
    pub(crate) fn configure(
        &mut self,
        process: usize,
        plugin: usize,
        configuration: &Arc<[u8]>,
    ) -> Result<(), HostError> {
        let Some(spec) = self.plugin(process, plugin).cloned() else {
            return Ok(());
        };
        if self.is_newest(process, plugin, configuration) {
            return Ok(());
        }
        try_in_canary(&spec, configuration)?;
        let workers = self
            .processes
            .get(process)
            .map_or(0, |process| process.workers.len());
        let results = (0..workers).map(|worker| {
            let at = WorkerRef { process, worker };
            if let Some(instance) = self.instance_mut(at, plugin) {
                instance.pending = Some(Arc::clone(configuration));
            }
            self.update(at, plugin)
        });
        let result = results.fold(Ok(()), Result::and);
        self.run_due();
        result
    }

    /// Whether every worker has this configuration, or will have.
    fn is_newest(&self, process: usize, plugin: usize, configuration: &Arc<[u8]>) -> bool {
        let Some(process) = self.processes.get(process) else {
            return false;
        };
        process.workers.iter().all(|worker| {
            let instance = worker.instances.get(plugin);
            let newest = instance.and_then(|known| known.pending.as_ref().or(known.configuration.as_ref()));
            newest == Some(configuration)
        }) && !process.workers.is_empty()
    }

    /// Brings the update that waits into force, unless the worker is busy.
    fn update(&mut self, at: WorkerRef, plugin: usize) -> Result<(), HostError> {
        let stalled = self.worker(at).is_none_or(|worker| worker.stalled);
        let Some(instance) = self.instance_mut(at, plugin) else {
            return Ok(());
        };
        let Some(configuration) = instance.pending.take_if(|_| !stalled) else {
            return Ok(());
        };
        let before = instance.vm.map(|vm| (VmRef { worker: at, vm }, instance.root));
        instance.configuration = Some(Arc::clone(&configuration));
        self.put_in_force(at, plugin, &configuration)?;
        if let Some((vm, root)) = before {
            self.supersede(at, plugin, vm, root);
        }
        Ok(())
    }

    /// Makes a root context with this configuration the one that gets new streams.
    fn put_in_force(
        &mut self,
        at: WorkerRef,
        plugin: usize,
        configuration: &Arc<[u8]>,
    ) -> Result<(), HostError> {
        let Some(spec) = self.plugin(at.process, plugin).cloned() else {
            return Ok(());
        };
        if let Some(instance) = self.instance_mut(at, plugin) {
            instance.vm = None;
        }
        let vm = self.vm_for(at, &spec)?;
        let root = self.root_for(vm, &spec, configuration)?;
        let now = self.now();
        if let Some(instance) = self.instance_mut(at, plugin) {
            instance.vm = Some(vm.vm);
            instance.root = root;
            instance.made_at = now;
        }
        self.settle(vm);
        Ok(())
    }

    /// The worker's VM for a plugin: one that another configuration or plugin has already, or a new one.
    fn vm_for(&mut self, at: WorkerRef, spec: &Arc<PluginSpec>) -> Result<VmRef, HostError> {
        let known = self.worker(at).and_then(|worker| {
            let mut vms = worker.vms.iter();
            vms.find(|(_, vm)| vm.state().spec.same_vm(spec))
                .map(|(number, _)| *number)
        });
        if let Some(vm) = known {
            return Ok(VmRef { worker: at, vm });
        }
        let vm = Vm::start(spec, Some(at.worker)).inspect_err(|error| self.note_trap(at, error))?;
        let number = vm.number();
        if let Some(worker) = self.worker_mut(at) {
            worker.vms.insert(number, vm);
        }
        Ok(VmRef {
            worker: at,
            vm: number,
        })
    }

    /// The root context of a plugin with this configuration: one that lives, or a new one.
    fn root_for(
        &mut self,
        at: VmRef,
        spec: &Arc<PluginSpec>,
        configuration: &Arc<[u8]>,
    ) -> Result<u32, HostError> {
        let refused = || HostError::Refused {
            filter: spec.name().to_owned(),
            logs: Vec::new(),
        };
        let Some(vm) = self.vm_mut(at) else {
            return Err(refused());
        };
        if let Some(root) = vm.root_with(spec, configuration) {
            if let Some(root) = vm.state_mut().root_mut(root) {
                root.superseded = false;
            }
            return Ok(root);
        }
        match new_root(vm, spec, configuration) {
            Ok(root) => Ok(root),
            Err(refusal @ HostError::Refused { .. }) => {
                self.drop_vm(at);
                Err(refusal)
            }
            Err(error) => {
                self.fail(at, error.clone());
                Err(error)
            }
        }
    }

    /// The root context from before gets no more streams, unless it is the one that serves now.
    fn supersede(&mut self, at: WorkerRef, plugin: usize, vm: VmRef, root: u32) {
        let serves = self
            .instance(at, plugin)
            .is_some_and(|instance| instance.vm == Some(vm.vm) && instance.root == root);
        if serves {
            return;
        }
        let ended = self.vm_mut(vm).map(|vm| {
            if let Some(root) = vm.state_mut().root_mut(root) {
                root.superseded = true;
            }
            vm.end_if_idle(root)
        });
        if let Some(Err(error)) = ended {
            self.fail(vm, error);
        }
        self.settle(vm);
    }

    fn note_trap(&self, at: WorkerRef, error: &HostError) {
        if let Some(shared) = self.shared(at.process) {
            locked(&shared.traps).push(error.clone());
        }
    }

    /// Replaces a VM that has failed, where the policy says so and the back-off has passed.
    pub(super) fn reload_if_failed(&mut self, at: WorkerRef, plugin: usize) {
        let Some(spec) = self.plugin(at.process, plugin).cloned() else {
            return;
        };
        let Some(instance) = self.instance(at, plugin) else {
            return;
        };
        let failed = instance
            .vm
            .is_some_and(|vm| self.vm(VmRef { worker: at, vm }).is_none());
        let back_off_ends = instance
            .made_at
            .saturating_add(nanoseconds(spec.options.reload_backoff));
        let may = spec.options.failure_policy == FailurePolicy::FailReload && back_off_ends <= self.now();
        let Some(configuration) = instance.configuration.clone().filter(|_| failed && may) else {
            return;
        };
        let before = instance.vm;
        match self.put_in_force(at, plugin, &configuration) {
            Ok(()) => self.count_reload(at, plugin),
            Err(_) => self.keep_failed(at, plugin, before),
        }
    }

    fn count_reload(&mut self, at: WorkerRef, plugin: usize) {
        if let Some(instance) = self.instance_mut(at, plugin) {
            instance.reloads += 1;
        }
    }

    fn keep_failed(&mut self, at: WorkerRef, plugin: usize, before: Option<u64>) {
        let now = self.now();
        if let Some(instance) = self.instance_mut(at, plugin) {
            instance.vm = before;
            instance.made_at = now;
        }
    }

    pub(crate) fn require_configured(&self, at: WorkerRef, plugin: usize) -> Result<(), HostError> {
        if self
            .instance(at, plugin)
            .is_some_and(|instance| instance.vm.is_some())
        {
            return Ok(());
        }
        let filter = self.plugin(at.process, plugin).map(|spec| spec.name().to_owned());
        Err(HostError::NotConfigured {
            filter: filter.unwrap_or_default(),
            worker: at.worker,
        })
    }

    pub(crate) fn stall(&mut self, at: WorkerRef) {
        if let Some(worker) = self.worker_mut(at) {
            worker.stalled = true;
        }
    }

    pub(crate) fn unstall(&mut self, at: WorkerRef) -> Result<(), HostError> {
        let Some(worker) = self.worker_mut(at) else {
            return Ok(());
        };
        worker.stalled = false;
        let plugins = worker.instances.len();
        let result = (0..plugins)
            .map(|plugin| self.update(at, plugin))
            .fold(Ok(()), Result::and);
        self.run_due();
        result
    }

    /// A worker that is gone with all that it had, and comes back.
    pub(crate) fn lose(&mut self, at: WorkerRef) -> Result<(), HostError> {
        let Some(worker) = self.worker_mut(at) else {
            return Ok(());
        };
        worker.vms.clear();
        for instance in &mut worker.instances {
            instance.vm = None;
            instance.pending = instance.pending.take().or(instance.configuration.take());
        }
        let plugins = worker.instances.len();
        self.drop_streams(at);
        (0..plugins)
            .map(|plugin| self.update(at, plugin))
            .fold(Ok(()), Result::and)
    }
}

fn new_root(vm: &mut Vm, spec: &Arc<PluginSpec>, configuration: &Arc<[u8]>) -> Result<u32, HostError> {
    let logged = spec.shared.log_position();
    vm.new_root(spec, configuration)?
        .ok_or_else(|| HostError::Refused {
            filter: spec.name().to_owned(),
            logs: spec.shared.logs_since(logged),
        })
}

fn try_in_canary(spec: &Arc<PluginSpec>, configuration: &Arc<[u8]>) -> Result<(), HostError> {
    new_root(&mut Vm::start(spec, None)?, spec, configuration).map(drop)
}
