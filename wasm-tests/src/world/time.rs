//! How time passes.

use crate::error::HostError;
use crate::process::shared::locked;
use crate::vm::callback::Callback;
use crate::world::timeline::Event;
use crate::world::{VmRef, WorkerRef, World};

impl World {
    /// Moves time forward, and runs what falls due on the way.
    pub(crate) fn advance(&mut self, by: u64) -> Result<(), HostError> {
        let target = self.now().saturating_add(by);
        let before: Vec<usize> = (0..self.processes.len())
            .map(|process| self.trap_count(process))
            .collect();
        while self.step_until(target) {}
        self.clock.advance_to(target);
        let traps = before.into_iter().enumerate();
        traps
            .map(|(process, count)| self.first_trap_since(process, count))
            .fold(Ok(()), Result::and)
    }

    /// Runs what is due now.
    pub(crate) fn run_due(&mut self) {
        while self.timeline.next_due().is_some_and(|due| due <= self.now()) {
            if let Some(event) = self.timeline.pop() {
                self.happen(event);
            }
        }
    }

    /// Runs the next thing that falls due by `target`, at its time; false when there is none.
    pub(crate) fn step_until(&mut self, target: u64) -> bool {
        let event = self.timeline.next_due().map(|due| (due, None));
        let tick = self
            .next_tick()
            .map(|(due, vm, root)| (due, Some(Event::Tick { vm, root })));
        let first = match (event, tick) {
            (Some(event), Some(tick)) => Some(if tick.0 < event.0 { tick } else { event }),
            (event, tick) => event.or(tick),
        };
        let Some((due, tick)) = first.filter(|(due, _)| *due <= target) else {
            return false;
        };
        self.clock.advance_to(due);
        if let Some(event) = tick.or_else(|| self.timeline.pop()) {
            self.happen(event);
        }
        true
    }

    /// The tick that falls due first, of a worker that is not busy.
    fn next_tick(&self) -> Option<(u64, VmRef, u32)> {
        let mut first: Option<(u64, VmRef, u32)> = None;
        for (process, state) in self.processes.iter().enumerate() {
            for (worker, state) in state
                .workers
                .iter()
                .enumerate()
                .filter(|(_, state)| !state.stalled)
            {
                for (number, vm) in &state.vms {
                    let Some((due, root)) = vm.next_tick() else {
                        continue;
                    };
                    let worker = WorkerRef { process, worker };
                    if first.is_none_or(|(earliest, ..)| due < earliest) {
                        first = Some((due, VmRef { worker, vm: *number }, root));
                    }
                }
            }
        }
        first
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::QueueReady { process, queue } => self.queue_ready(process, queue),
            Event::Part { upstream } => self.upstream_part(upstream),
            Event::TcpPart { connection } => self.tcp_part(connection),
            Event::CallTimeout { upstream } => self.call_timeout(upstream),
            Event::TryTimeout { stream, upstream } => self.try_timeout(stream, upstream),
            Event::RouteTimeout { stream } => self.route_timeout(stream),
            Event::Retry { stream } => self.start_retry(stream),
            Event::Tick { vm, root } => self.tick(vm, root),
        }
    }

    fn tick(&mut self, at: VmRef, root: u32) {
        if let Some(Err(error)) = self.vm_mut(at).map(|vm| vm.tick(root)) {
            self.fail(at, error);
        }
        self.settle(at);
    }

    /// Tells a queue's owner, if its VM still lives.
    fn queue_ready(&mut self, process: usize, queue: u32) {
        let owner = self
            .shared(process)
            .and_then(|shared| locked(&shared.queues).owner(queue));
        let Some((owner, worker)) = owner.and_then(|owner| Some((owner, owner.worker?))) else {
            return;
        };
        let at = VmRef {
            worker: WorkerRef { process, worker },
            vm: owner.vm,
        };
        if self
            .vm(at)
            .is_some_and(|vm| vm.state().root(owner.root).is_some())
        {
            // A failure is kept as a trap.
            let _ = self.call::<_, ()>(at, Callback::QueueReady, owner.root, (owner.root, queue));
            self.settle(at);
        }
    }
}
