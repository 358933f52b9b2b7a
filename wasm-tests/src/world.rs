//! Everything that a fleet consists of, and how one thing leads to another.
//!
//! One callback runs at a time. What a filter asks for during a callback (to go on, to answer, to call) is done after
//! it, as in Envoy; what takes time, or happens on another worker, is an event in the timeline.

mod calls;
mod configure;
mod failure;
mod finish;
mod flag;
mod grpc;
mod iterate;
mod local_reply;
mod reply;
mod retry;
mod router;
pub(crate) mod stream;
pub(crate) mod tcp;
mod time;
mod timeline;
mod upstream;

use std::collections::BTreeMap;
use std::sync::Arc;

use wasmtime::{WasmParams, WasmResults};

use crate::abi::Direction;
use crate::clock::Clock;
use crate::error::HostError;
use crate::plugin::PluginSpec;
use crate::process::shared::{Shared, locked};
use crate::random::Random;
use crate::request::LocalResponse;
use crate::vm::Vm;
use crate::vm::callback::Callback;
use crate::vm::effect::Effect;
use crate::world::configure::Instance;
use crate::world::grpc::GrpcRef;
use crate::world::stream::HttpStream;
use crate::world::tcp::{Peer, TcpConnection};
use crate::world::timeline::{Event, Timeline};
use crate::world::upstream::Upstream;

/// A worker of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WorkerRef {
    pub(crate) process: usize,
    pub(crate) worker: usize,
}

/// A VM of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct VmRef {
    pub(crate) worker: WorkerRef,
    pub(crate) vm: u64,
}

/// A stream or a TCP connection of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StreamRef {
    pub(crate) worker: WorkerRef,
    pub(crate) stream: u64,
}

pub(crate) struct World {
    pub(crate) clock: Arc<Clock>,
    random: Random,
    timeline: Timeline,
    processes: Vec<ProcessState>,
    /// Requests to upstreams that are under way.
    upstreams: BTreeMap<u64, Upstream>,
    last_upstream: u64,
}

struct ProcessState {
    shared: Arc<Shared>,
    plugins: Vec<Arc<PluginSpec>>,
    workers: Vec<WorkerState>,
}

#[derive(Default)]
struct WorkerState {
    vms: BTreeMap<u64, Vm>,
    /// By plugin.
    instances: Vec<Instance>,
    streams: BTreeMap<u64, HttpStream>,
    /// Numbered along with the streams.
    connections: BTreeMap<u64, TcpConnection>,
    last_stream: u64,
    stalled: bool,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            clock: Arc::new(Clock::new()),
            random: Random::seeded(seed),
            timeline: Timeline::default(),
            processes: Vec::new(),
            upstreams: BTreeMap::new(),
            last_upstream: 0,
        }
    }

    pub(crate) fn add_process(&mut self, workers: usize) -> (usize, Arc<Shared>) {
        let node_id = format!("node-{}", self.processes.len() + 1);
        let shared = Arc::new(Shared::new(node_id, Arc::clone(&self.clock), self.random.clone()));
        self.processes.push(ProcessState {
            shared: Arc::clone(&shared),
            plugins: Vec::new(),
            workers: (0..workers).map(|_| WorkerState::default()).collect(),
        });
        (self.processes.len() - 1, shared)
    }

    pub(crate) fn add_plugin(&mut self, process: usize, spec: PluginSpec) -> usize {
        let Some(process) = self.processes.get_mut(process) else {
            return 0;
        };
        process.plugins.push(Arc::new(spec));
        for worker in &mut process.workers {
            worker.instances.push(Instance::default());
        }
        process.plugins.len() - 1
    }

    fn shared(&self, process: usize) -> Option<&Arc<Shared>> {
        self.processes.get(process).map(|process| &process.shared)
    }

    fn plugin(&self, process: usize, plugin: usize) -> Option<&Arc<PluginSpec>> {
        self.processes.get(process)?.plugins.get(plugin)
    }

    fn worker(&self, at: WorkerRef) -> Option<&WorkerState> {
        self.processes.get(at.process)?.workers.get(at.worker)
    }

    fn worker_mut(&mut self, at: WorkerRef) -> Option<&mut WorkerState> {
        self.processes.get_mut(at.process)?.workers.get_mut(at.worker)
    }

    pub(crate) fn instance(&self, at: WorkerRef, plugin: usize) -> Option<&Instance> {
        self.worker(at)?.instances.get(plugin)
    }

    fn instance_mut(&mut self, at: WorkerRef, plugin: usize) -> Option<&mut Instance> {
        self.worker_mut(at)?.instances.get_mut(plugin)
    }

    fn vm(&self, at: VmRef) -> Option<&Vm> {
        self.worker(at.worker)?.vms.get(&at.vm)
    }

    fn vm_mut(&mut self, at: VmRef) -> Option<&mut Vm> {
        self.worker_mut(at.worker)?.vms.get_mut(&at.vm)
    }

    fn stream(&self, at: StreamRef) -> Option<&HttpStream> {
        self.worker(at.worker)?.streams.get(&at.stream)
    }

    fn stream_mut(&mut self, at: StreamRef) -> Option<&mut HttpStream> {
        self.worker_mut(at.worker)?.streams.get_mut(&at.stream)
    }

    fn connection(&self, at: StreamRef) -> Option<&TcpConnection> {
        self.worker(at.worker)?.connections.get(&at.stream)
    }

    fn connection_mut(&mut self, at: StreamRef) -> Option<&mut TcpConnection> {
        self.worker_mut(at.worker)?.connections.get_mut(&at.stream)
    }

    fn now(&self) -> u64 {
        self.clock.steady()
    }

    /// Calls a callback; a failure is the end of the VM, and is kept as a trap. What the filter asked for is still to
    /// be done: see [`World::settle`].
    fn call<P: WasmParams, R: WasmResults>(
        &mut self,
        at: VmRef,
        callback: Callback,
        context: u32,
        params: P,
    ) -> Result<Option<R>, HostError> {
        let Some(vm) = self.vm_mut(at) else {
            return Ok(None);
        };
        let result = vm.call(callback, context, params);
        if let Err(error) = &result {
            self.fail(at, error.clone());
        }
        result
    }

    fn drop_vm(&mut self, at: VmRef) {
        if let Some(worker) = self.worker_mut(at.worker) {
            worker.vms.remove(&at.vm);
        }
    }

    fn fail(&mut self, at: VmRef, error: HostError) {
        self.drop_vm(at);
        if let Some(shared) = self.shared(at.worker.process) {
            locked(&shared.traps).push(error);
        }
    }

    /// Does what the filters of a VM have asked for, in their order.
    fn settle(&mut self, at: VmRef) {
        while let Some(effect) = self.vm_mut(at).and_then(|vm| vm.state_mut().effects.pop_front()) {
            self.apply(at, effect);
        }
        self.delete_done_roots(at);
    }

    fn apply(&mut self, at: VmRef, effect: Effect) {
        match effect {
            Effect::Resume { context, direction } => {
                if let Some((stream, filter)) = self.stream_of(at, context) {
                    self.filter_resumes(stream, filter, direction);
                }
            }
            Effect::Close { context } => {
                if let Some((stream, _)) = self.stream_of(at, context) {
                    self.reset(stream);
                    self.end_connection(stream, Peer::Local);
                }
            }
            Effect::Reply { context, reply } => self.filter_replies(at, context, reply),
            Effect::Call { root, token, call } => self.start_call(at, root, token, call),
            Effect::Grpc { root, token, step } => self.grpc_step(GrpcRef { vm: at, root, token }, step),
            Effect::Enqueued { queue } => {
                let process = at.worker.process;
                let now = self.now();
                self.timeline.add(now, Event::QueueReady { process, queue });
            }
        }
    }

    fn filter_resumes(&mut self, at: StreamRef, filter: usize, direction: Direction) {
        if self.connection(at).is_some() {
            return self.pass_read(at, filter + 1);
        }
        let begun = self.stream(at).is_some_and(|stream| stream.response.started);
        if direction == Direction::Response && !begun {
            return self.crash(at, "to continue a response that has not begun");
        }
        self.resume(at, filter, direction);
    }

    fn filter_replies(&mut self, at: VmRef, context: u32, reply: LocalResponse) {
        let Some((at, _)) = self.stream_of(at, context) else {
            return;
        };
        let Some(stream) = self.stream(at) else {
            return;
        };
        if stream.finishing {
            return self.crash(at, "to answer a stream that is being logged");
        }
        self.local_reply(at, reply);
    }

    /// What would end the whole Envoy process is an error with a name here.
    fn crash(&mut self, at: StreamRef, what: &'static str) {
        if let Some(shared) = self.shared(at.worker.process) {
            locked(&shared.traps).push(HostError::Crash { what });
        }
    }

    /// The stream that a context belongs to, and the filter's place in its chain.
    fn stream_of(&self, at: VmRef, context: u32) -> Option<(StreamRef, usize)> {
        let stream = self.vm(at)?.state().stream(context)?;
        let worker = at.worker;
        Some((
            StreamRef {
                worker,
                stream: stream.stream,
            },
            stream.filter,
        ))
    }

    fn delete_done_roots(&mut self, at: VmRef) {
        match self.vm_mut(at).map(Vm::delete_done_roots) {
            Some(Ok(true)) => self.give_up_calls(at),
            Some(Err(error)) => self.fail(at, error),
            Some(Ok(false)) | None => {}
        }
    }

    /// How many traps a process has seen.
    pub(crate) fn trap_count(&self, process: usize) -> usize {
        self.shared(process)
            .map_or(0, |shared| locked(&shared.traps).len())
    }

    /// The first trap of a process after so many.
    pub(crate) fn first_trap_since(&self, process: usize, count: usize) -> Result<(), HostError> {
        let shared = self.shared(process);
        let trap = shared.and_then(|shared| locked(&shared.traps).get(count).cloned());
        trap.map_or(Ok(()), Err)
    }
}
