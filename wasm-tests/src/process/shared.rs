//! What all VMs of one Envoy process share.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::abi::LogLevel;
use crate::process::metrics::Metrics;
use crate::process::shared_data::SharedData;

/// 2026-01-01T00:00:00Z in nanoseconds since the Unix epoch: where every virtual clock starts.
const START: u64 = 1_767_225_600_000_000_000;

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

pub(crate) struct Shared {
    clock: AtomicU64,
    vms_created: AtomicU64,
    pub(crate) data: Mutex<SharedData>,
    pub(crate) metrics: Mutex<Metrics>,
    pub(crate) logs: Mutex<Vec<LogLine>>,
}

impl Shared {
    pub(crate) fn new() -> Self {
        Self {
            clock: AtomicU64::new(START),
            vms_created: AtomicU64::new(0),
            data: Mutex::default(),
            metrics: Mutex::default(),
            logs: Mutex::default(),
        }
    }

    /// Nanoseconds since the Unix epoch.
    pub(crate) fn now(&self) -> u64 {
        self.clock.load(Ordering::Relaxed)
    }

    pub(crate) fn set_now(&self, nanoseconds: u64) {
        self.clock.store(nanoseconds, Ordering::Relaxed);
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
}

/// The lock, also after a panic elsewhere: a failed test must not fail the others' assertions.
pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whole nanoseconds; 584 years are the most.
pub(crate) fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
