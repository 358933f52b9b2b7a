//! One Envoy process: its workers, its shared data, its clusters, its metrics and its logs.

pub(crate) mod clusters;
pub(crate) mod costs;
pub(crate) mod faults;
pub(crate) mod metrics;
pub(crate) mod queues;
pub(crate) mod shared;
pub(crate) mod shared_data;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::abi::{LogLevel, Status};
use crate::chain::HttpChain;
use crate::cluster::{Cluster, UpstreamRequest};
use crate::error::HostError;
use crate::fleet::{Fleet, WorldHandle};
use crate::listener::Listener;
use crate::module::Module;
use crate::plugin::{Plugin, PluginSpec};
use crate::plugin_options::PluginOptions;
use crate::process::costs::{Cost, Costs};
use crate::process::faults::Fault;
use crate::process::metrics::MetricKind;
use crate::process::shared::{LogLine, Shared, locked, nanoseconds};
use crate::tcp_chain::TcpChain;
use crate::tcp_cluster::TcpCluster;
use crate::tcp_listener::TcpListener;

/// An Envoy process with a number of workers. Time stands still until [`Process::advance`] moves it.
pub struct Process {
    world: WorldHandle,
    index: usize,
    workers: usize,
    shared: Arc<Shared>,
}

impl Process {
    /// A process with `workers` workers, alone in its [`Fleet`].
    pub fn new(workers: usize) -> Self {
        Fleet::new().process(workers)
    }

    pub(crate) fn in_fleet(world: &WorldHandle, workers: usize) -> Self {
        let (index, shared) = locked(world).add_process(workers);
        Self {
            world: Arc::clone(world),
            index,
            workers,
            shared,
        }
    }

    /// A filter of this process, set up as [`PluginOptions::of`] says. Nothing runs until [`Plugin::configure`].
    pub fn load(&self, module: &Module) -> Plugin {
        self.load_with(module, PluginOptions::of(module))
    }

    /// A filter of this process with other options.
    pub fn load_with(&self, module: &Module, options: PluginOptions) -> Plugin {
        let spec = PluginSpec {
            module: module.clone(),
            options,
            shared: Arc::clone(&self.shared),
        };
        let index = locked(&self.world).add_plugin(self.index, spec);
        Plugin::new(&self.world, self.index, index, self.workers)
    }

    /// Defines a cluster, or replaces it: for routes, and for the calls of filters.
    pub fn cluster(&self, name: &str, cluster: Cluster) {
        self.shared.set_cluster(name, cluster);
    }

    /// A listener that sends requests through a chain of filters to the clusters of its routes.
    ///
    /// # Panics
    /// When a filter of the chain belongs to another process.
    pub fn listener(&self, chain: HttpChain) -> Listener {
        Listener::new(&self.world, self.index, chain)
    }

    /// Defines a cluster for TCP connections, or replaces it. Its name is its own, apart from those of HTTP clusters.
    pub fn tcp_cluster(&self, name: &str, cluster: TcpCluster) {
        locked(&self.shared.tcp_clusters).insert(name.to_owned(), cluster);
    }

    /// A listener that sends TCP connections through a chain of network filters to a cluster.
    ///
    /// # Panics
    /// When a filter of the chain belongs to another process.
    pub fn tcp_listener(&self, chain: TcpChain) -> TcpListener {
        TcpListener::new(&self.world, self.index, chain)
    }

    /// A foreign function that filters can call by this name. Envoy's `clear_route_cache` and
    /// `set_envoy_filter_state` are there already.
    pub fn foreign_function(
        &self,
        name: &str,
        function: impl Fn(&[u8]) -> Result<Vec<u8>, Status> + Send + Sync + 'static,
    ) {
        locked(&self.shared.foreign_functions).insert(name.to_owned(), Arc::new(function));
    }

    /// The log level that filters are told; `Info` unless told. Lines below it are kept nevertheless.
    pub fn set_log_level(&self, level: LogLevel) {
        *locked(&self.shared.log_level) = level;
    }

    /// From now on, until [`Process::clear_faults`]: host functions that fail.
    pub fn fault(&self, fault: Fault) {
        self.shared.faults.add(fault);
    }

    /// No host function fails any more.
    pub fn clear_faults(&self) {
        self.shared.faults.clear();
    }

    /// The time that filters read, since the Unix epoch.
    pub fn now(&self) -> Duration {
        Duration::from_nanos(self.shared.now())
    }

    /// [`Fleet::advance`].
    ///
    /// # Errors
    /// As there.
    pub fn advance(&self, by: Duration) -> Result<(), HostError> {
        locked(&self.world).advance(nanoseconds(by))
    }

    /// Every trap and every callback out of fuel so far, the canaries' and refused configurations' aside.
    pub fn traps(&self) -> Vec<HostError> {
        locked(&self.shared.traps).clone()
    }

    /// What a filter's callbacks have cost so far, the canaries' among them, by callback.
    pub fn costs(&self, filter: &str) -> BTreeMap<&'static str, Cost> {
        locked(&self.shared.costs).of(filter)
    }

    /// From now on, [`Process::costs`] counts from zero again.
    pub fn forget_costs(&self) {
        *locked(&self.shared.costs) = Costs::default();
    }

    /// The calls that filters have made, in order.
    pub fn calls(&self) -> Vec<UpstreamRequest> {
        locked(&self.shared.calls).upstream.clone()
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

    /// How many bytes the shared values of the VMs with this `vm_id` have together.
    pub fn shared_bytes(&self, vm_id: &str) -> usize {
        let data = locked(&self.shared.data);
        let keys = data.keys(vm_id).into_iter();
        keys.filter_map(|key| data.get(vm_id, &key))
            .map(|(value, _)| value.len())
            .sum()
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
