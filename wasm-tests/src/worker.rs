//! A worker of the process, and the VM that a filter has there.

use std::sync::{Arc, Mutex};

use crate::error::HostError;
use crate::plugin::PluginSpec;
use crate::process::shared::locked;
use crate::request::{Request, RequestOutcome};
use crate::stream::Stream;
use crate::vm::{Configured, Vm};

/// One worker's side of a plugin. A cheap handle: clones are the same worker.
#[derive(Clone)]
pub struct Worker {
    spec: Arc<PluginSpec>,
    index: usize,
    state: Arc<Mutex<WorkerState>>,
}

#[derive(Default)]
struct WorkerState {
    configuration: Option<Arc<[u8]>>,
    /// An update that the worker has not come to.
    pending: Option<Arc<[u8]>>,
    vm: Option<Vm>,
    reloads: u64,
    stalled: bool,
}

impl Worker {
    pub(crate) fn new(spec: Arc<PluginSpec>, index: usize) -> Self {
        Self {
            spec,
            index,
            state: Arc::default(),
        }
    }

    /// The worker's index, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The number of the VM that serves, unique in the process: it changes when the VM is another one.
    pub fn vm(&self) -> Option<u64> {
        locked(&self.state).vm.as_ref().map(Vm::number)
    }

    /// How often a VM that had trapped was replaced by a new one (Envoy's `vm_reload_success`).
    pub fn reloads(&self) -> u64 {
        locked(&self.state).reloads
    }

    /// A request from its headers to its end: [`Worker::open`], then [`Stream::finish`].
    ///
    /// # Errors
    /// As [`Worker::open`] and [`Stream::finish`].
    pub fn request(&self, request: Request) -> Result<RequestOutcome, HostError> {
        let stream = self.open(request)?;
        let outcome = stream.outcome();
        stream.finish()?;
        Ok(outcome)
    }

    /// Begins a stream: a context in the newest root context, and the request's headers.
    ///
    /// A VM that has trapped is first replaced by a new one with the configuration in force, statics lost, as under
    /// Envoy's `FAIL_RELOAD` (Envoy waits for a back-off, one second at first; here there is none).
    ///
    /// # Errors
    /// [`HostError::Trap`] or [`HostError::OutOfFuel`] when the filter failed (Envoy answers 503), and
    /// [`HostError::NotConfigured`].
    pub fn open(&self, request: Request) -> Result<Stream, HostError> {
        let mut state = locked(&self.state);
        self.reload_if_failed(&mut state)?;
        let vm = state.vm.as_mut().ok_or_else(|| HostError::NotConfigured {
            filter: self.spec.filter(),
            worker: self.index,
        })?;
        let context = vm.open_stream(request)?;
        Ok(Stream::new(
            self.clone(),
            vm.number(),
            context,
            vm.outcome(context),
        ))
    }

    /// Keeps the worker's event loop busy: updates and ticks wait, until [`Worker::resume`]. Requests that a test makes
    /// are still served, by what the worker has.
    pub fn stall(&self) {
        locked(&self.state).stalled = true;
    }

    /// Ends [`Worker::stall`]: the last update that waited comes now, ticks that waited with the next
    /// [`Process::advance`](crate::Process::advance).
    ///
    /// # Errors
    /// Those of [`Plugin::configure`](crate::Plugin::configure) on this worker.
    pub fn resume(&self) -> Result<(), HostError> {
        let mut state = locked(&self.state);
        state.stalled = false;
        self.update(&mut state)
    }

    pub(crate) fn configure(&self, configuration: &Arc<[u8]>) -> Result<(), HostError> {
        let mut state = locked(&self.state);
        state.pending = Some(Arc::clone(configuration));
        self.update(&mut state)
    }

    /// Brings the update that waits into force, unless the worker is busy.
    fn update(&self, state: &mut WorkerState) -> Result<(), HostError> {
        let Some(configuration) = state.pending.take_if(|_| !state.stalled) else {
            return Ok(());
        };
        let mut vm = match state.vm.take().filter(|vm| !vm.failed()) {
            Some(vm) => vm,
            None => Vm::start(&self.spec, Some(self.index))?,
        };
        let outcome = vm.configure(&configuration);
        state.configuration = Some(configuration);
        if let Ok(Configured::Refused(refusal)) = outcome {
            return Err(refusal);
        }
        state.vm = Some(vm);
        outcome.map(drop)
    }

    fn reload_if_failed(&self, state: &mut WorkerState) -> Result<(), HostError> {
        let (true, Some(configuration)) = (state.vm.as_ref().is_some_and(Vm::failed), &state.configuration)
        else {
            return Ok(());
        };
        let mut vm = Vm::start(&self.spec, Some(self.index))?;
        if let Configured::Refused(refusal) = vm.configure(configuration)? {
            return Err(refusal);
        }
        state.vm = Some(vm);
        state.reloads += 1;
        Ok(())
    }

    /// When the next tick of this worker falls due, in nanoseconds since the Unix epoch.
    pub(crate) fn next_tick(&self) -> Option<u64> {
        let state = locked(&self.state);
        state.vm.as_ref().filter(|_| !state.stalled)?.next_tick()
    }

    /// Runs the tick that falls due next.
    pub(crate) fn tick(&self) -> Result<(), HostError> {
        match &mut locked(&self.state).vm {
            Some(vm) => vm.tick(),
            None => Ok(()),
        }
    }

    /// Runs `action` on the VM with this number, if it still serves.
    pub(crate) fn with_vm<T>(
        &self,
        number: u64,
        action: impl FnOnce(&mut Vm) -> Result<T, HostError>,
    ) -> Result<T, HostError> {
        let mut state = locked(&self.state);
        match state
            .vm
            .as_mut()
            .filter(|vm| vm.number() == number && !vm.failed())
        {
            Some(vm) => action(vm),
            None => Err(HostError::VmGone {
                filter: self.spec.filter(),
            }),
        }
    }
}
