//! What all VMs of one Envoy process share.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::abi::{HOST_FUNCTIONS, LogLevel, Status};
use crate::clock::Clock;
use crate::cluster::Cluster;
use crate::error::HostError;
use crate::process::clusters::Clusters;
use crate::process::costs::Costs;
use crate::process::faults::Faults;
use crate::process::metrics::Metrics;
use crate::process::queues::Queues;
use crate::process::shared_data::SharedData;
use crate::random::Random;
use crate::tcp_cluster::TcpCluster;
use crate::transcript::SharedTranscript;
use crate::vm::callback::Callback;

/// One line that a filter logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// The filter's name.
    pub filter: String,
    /// The worker's index; none: the canary VM.
    pub worker: Option<usize>,
    /// Its level; lines of every level are kept.
    pub level: LogLevel,
    /// The text; bytes that are not UTF-8 are replaced.
    pub text: String,
}

/// What a test gives for Envoy's registry of foreign functions.
pub(crate) type ForeignFunction = Arc<dyn Fn(&[u8]) -> Result<Vec<u8>, Status> + Send + Sync>;

pub(crate) struct Shared {
    clock: Arc<Clock>,
    /// The fleet's.
    pub(crate) random: Random,
    vms_created: AtomicU64,
    /// What filters read as `xds.node.id`.
    pub(crate) node_id: String,
    /// The level that filters are told.
    pub(crate) log_level: Mutex<LogLevel>,
    pub(crate) faults: Faults,
    pub(crate) data: Mutex<SharedData>,
    pub(crate) queues: Mutex<Queues>,
    pub(crate) metrics: Mutex<Metrics>,
    pub(crate) logs: Mutex<Vec<LogLine>>,
    pub(crate) clusters: Mutex<Clusters>,
    pub(crate) tcp_clusters: Mutex<BTreeMap<String, TcpCluster>>,
    pub(crate) traps: Mutex<Vec<HostError>>,
    pub(crate) costs: Mutex<Costs>,
    pub(crate) foreign_functions: Mutex<BTreeMap<String, ForeignFunction>>,
    /// The requests of filters' calls.
    pub(crate) calls: SharedTranscript,
}

impl Shared {
    pub(crate) fn new(node_id: String, clock: Arc<Clock>, random: Random) -> Self {
        Self {
            node_id,
            log_level: Mutex::new(LogLevel::Info),
            clock,
            vms_created: AtomicU64::new(0),
            faults: Faults::new(random.clone()),
            random,
            data: Mutex::default(),
            queues: Mutex::default(),
            metrics: Mutex::default(),
            logs: Mutex::default(),
            clusters: Mutex::default(),
            tcp_clusters: Mutex::default(),
            traps: Mutex::default(),
            costs: Mutex::default(),
            foreign_functions: Mutex::default(),
            calls: SharedTranscript::default(),
        }
    }

    /// Nanoseconds since the Unix epoch, on the wall clock.
    pub(crate) fn now(&self) -> u64 {
        self.clock.wall()
    }

    /// Nanoseconds on the clock that timers run by.
    pub(crate) fn steady(&self) -> u64 {
        self.clock.steady()
    }

    /// The number of a new VM, from 1.
    pub(crate) fn next_vm(&self) -> u64 {
        self.vms_created.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// How many lines have been logged.
    pub(crate) fn log_position(&self) -> usize {
        locked(&self.logs).len()
    }

    /// The texts of the lines since `position`.
    pub(crate) fn logs_since(&self, position: usize) -> Vec<String> {
        let logs = locked(&self.logs);
        logs.iter().skip(position).map(|line| line.text.clone()).collect()
    }

    pub(crate) fn has_cluster(&self, name: &str) -> bool {
        locked(&self.clusters).has(name)
    }

    pub(crate) fn set_cluster(&self, name: &str, cluster: Cluster) {
        locked(&self.clusters).set(name, cluster);
    }

    pub(crate) fn account(
        &self,
        filter: &str,
        callback: Callback,
        fuel: u64,
        host_calls: &[u64; HOST_FUNCTIONS.len()],
    ) {
        locked(&self.costs).add(filter, callback, fuel, host_calls);
    }
}

/// The lock, also after a panic elsewhere: a failed test must not fail the others' assertions.
pub(crate) fn locked<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whole nanoseconds; 584 years are the most.
pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
