//! One Envoy process: its clock, its shared data, its metrics and its logs.

pub(crate) mod metrics;
pub(crate) mod shared;
pub(crate) mod shared_data;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::error::HostError;
use crate::module::Module;
use crate::plugin::{Plugin, PluginOptions};
use crate::process::metrics::MetricKind;
use crate::process::shared::{LogLine, Shared, locked, nanoseconds};
use crate::worker::Worker;

/// An Envoy process with a number of workers. Time stands still until [`Process::advance`] moves it.
pub struct Process {
    worker_count: usize,
    shared: Arc<Shared>,
    workers: Mutex<Vec<Worker>>,
}

impl Process {
    /// A process with `workers` workers, at 2026-01-01T00:00:00Z.
    pub fn new(workers: usize) -> Self {
        Self {
            worker_count: workers,
            shared: Arc::new(Shared::new()),
            workers: Mutex::default(),
        }
    }

    /// A filter of this process, with `vm_id` `weir.<filter>`. Nothing runs until [`Plugin::configure`].
    pub fn load(&self, module: &Module) -> Plugin {
        self.load_with(module, PluginOptions::of(module))
    }

    /// A filter of this process with other options.
    pub fn load_with(&self, module: &Module, options: PluginOptions) -> Plugin {
        let plugin = Plugin::new(module, options, &self.shared, self.worker_count);
        locked(&self.workers).extend(plugin.workers().cloned());
        plugin
    }

    /// The time that filters read, since the Unix epoch.
    pub fn now(&self) -> Duration {
        Duration::from_nanos(self.shared.now())
    }

    /// Moves the clock forward, and runs every tick that falls due on the way, each at its own time.
    ///
    /// # Errors
    /// The first tick that trapped; the others have run nevertheless.
    pub fn advance(&self, by: Duration) -> Result<(), HostError> {
        let target = self.shared.now().saturating_add(nanoseconds(by));
        let workers = locked(&self.workers).clone();
        let mut result = Ok(());
        while let Some((due, worker)) = next_tick(&workers).filter(|(due, _)| *due <= target) {
            self.shared.set_now(due.max(self.shared.now()));
            result = result.and(worker.tick());
        }
        self.shared.set_now(target);
        result
    }

    /// A counter's value; none when no filter has defined it.
    pub fn counter(&self, name: &str) -> Option<u64> {
        locked(&self.shared.metrics).number(MetricKind::Counter, name)
    }

    /// A gauge's value; none when no filter has defined it.
    pub fn gauge(&self, name: &str) -> Option<u64> {
        locked(&self.shared.metrics).number(MetricKind::Gauge, name)
    }

    /// What was recorded in a histogram, in order.
    pub fn histogram(&self, name: &str) -> Vec<u64> {
        locked(&self.shared.metrics).recorded(name)
    }

    /// Everything that was logged, in order.
    pub fn logs(&self) -> Vec<LogLine> {
        locked(&self.shared.logs).clone()
    }

    /// A shared value of the VMs with this `vm_id`.
    pub fn shared_data(&self, vm_id: &str, key: &str) -> Option<Vec<u8>> {
        let found = locked(&self.shared.data).get(vm_id, key.as_bytes());
        found.map(|(value, _)| value)
    }

    /// Sets a shared value, whatever is there.
    pub fn set_shared_data(&self, vm_id: &str, key: &str, value: impl Into<Vec<u8>>) {
        // A CAS number of 0 never mismatches.
        let _ = locked(&self.shared.data).set(vm_id, key.as_bytes(), value.into(), 0);
    }

    /// The keys of the VMs with this `vm_id`, in their order as bytes; text that is not UTF-8 is replaced.
    pub fn shared_keys(&self, vm_id: &str) -> Vec<String> {
        let keys = locked(&self.shared.data).keys(vm_id);
        keys.iter()
            .map(|key| String::from_utf8_lossy(key).into_owned())
            .collect()
    }
}

/// The tick that falls due first, and the worker that has it.
fn next_tick(workers: &[Worker]) -> Option<(u64, &Worker)> {
    let due = workers
        .iter()
        .filter_map(|worker| Some((worker.next_tick()?, worker)));
    due.min_by_key(|(due, _)| *due)
}
