//! The workers of a process.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::error::HostError;
use crate::fake::process::Process;
use crate::port::{
    Clock, Configuration, Level, Log, MetricId, MetricKind, Metrics, Properties, SharedData, Ticks, Version,
};

/// One worker of a process: its configuration, timer and log.
pub struct Worker {
    process: Rc<Process>,
    configuration: RefCell<Vec<u8>>,
    tick_period: Cell<Option<u32>>,
    log: RefCell<Vec<(Level, String)>>,
}

impl Worker {
    /// A worker of `process`.
    pub fn new(process: &Rc<Process>) -> Self {
        Self {
            process: Rc::clone(process),
            configuration: RefCell::default(),
            tick_period: Cell::new(None),
            log: RefCell::default(),
        }
    }

    /// The configuration that the next root context gets.
    pub fn set_configuration(&self, json: &[u8]) {
        *self.configuration.borrow_mut() = json.to_vec();
    }

    /// The period of the timer that was set last, milliseconds.
    pub fn tick_period(&self) -> Option<u32> {
        self.tick_period.get()
    }

    /// The lines of the log.
    pub fn log_lines(&self) -> Vec<(Level, String)> {
        self.log.borrow().clone()
    }
}

impl Log for Worker {
    fn log(&self, level: Level, message: &str) {
        self.log.borrow_mut().push((level, message.to_owned()));
    }
}

impl Clock for Worker {
    fn now_ns(&self) -> Result<u64, HostError> {
        Ok(self.process.now_ns())
    }
}

impl Properties for Worker {
    fn property(&self, path: &[&str]) -> Result<Option<Vec<u8>>, HostError> {
        Ok(self.process.property(path))
    }
}

impl Configuration for Worker {
    fn configuration(&self) -> Result<Vec<u8>, HostError> {
        Ok(self.configuration.borrow().clone())
    }
}

impl Ticks for Worker {
    fn set_tick_period(&self, milliseconds: u32) -> Result<(), HostError> {
        self.tick_period.set(Some(milliseconds));
        Ok(())
    }
}

impl Metrics for Worker {
    fn define_metric(&self, kind: MetricKind, name: &str) -> Result<MetricId, HostError> {
        self.process.define_metric(kind, name)
    }

    fn record_metric(&self, metric: MetricId, value: u64) -> Result<(), HostError> {
        self.process.change_metric(metric, MetricKind::Gauge, |_| value)
    }

    fn increment_metric(&self, metric: MetricId, by: u64) -> Result<(), HostError> {
        self.process
            .change_metric(metric, MetricKind::Counter, |value| value + by)
    }
}

impl SharedData for Worker {
    fn load(&self, key: &[u8]) -> Result<Option<(Vec<u8>, Version)>, HostError> {
        Ok(self.process.load(key))
    }

    fn store(&self, key: &[u8], value: &[u8], expected: Option<Version>) -> Result<(), HostError> {
        self.process.store(key, value, expected)
    }
}
