//! The process and its workers.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::error::HostError;
use crate::port::{
    Clock, Configuration, Level, Log, MetricId, MetricKind, Metrics, SharedData, Ticks, Version,
};

/// One proxy process.
#[derive(Default)]
pub struct Process {
    now_ms: Cell<u64>,
    shared: RefCell<BTreeMap<String, (Vec<u8>, Version)>>,
    versions: Cell<u32>,
    metrics: RefCell<Vec<(String, MetricKind, u64)>>,
    before_store: RefCell<Option<Box<dyn FnOnce()>>>,
}

/// One worker of a process: its configuration, timer and log.
pub struct Worker {
    process: Rc<Process>,
    configuration: RefCell<Vec<u8>>,
    tick_period: Cell<Option<u32>>,
    log: RefCell<Vec<(Level, String)>>,
}

impl Process {
    /// A process at the time `now_ms`, Unix milliseconds.
    pub fn new(now_ms: u64) -> Rc<Self> {
        let process = Self::default();
        process.now_ms.set(now_ms);
        Rc::new(process)
    }

    /// Sets the clock.
    pub fn set_now_ms(&self, now_ms: u64) {
        self.now_ms.set(now_ms);
    }

    /// The value of the statistic `name`.
    pub fn metric(&self, name: &str) -> Option<u64> {
        let metrics = self.metrics.borrow();
        metrics
            .iter()
            .find(|(known, ..)| known == name)
            .map(|(.., value)| *value)
    }

    /// The names of all statistics.
    pub fn metrics(&self) -> Vec<String> {
        self.metrics
            .borrow()
            .iter()
            .map(|(name, ..)| name.clone())
            .collect()
    }

    /// The shared value of `key`.
    pub fn shared(&self, key: &str) -> Option<Vec<u8>> {
        self.shared.borrow().get(key).map(|(value, _)| value.clone())
    }

    /// Puts a shared value there, whatever was.
    pub fn set_shared(&self, key: &str, value: &[u8]) {
        let version = Version(self.versions.get() + 1);
        self.versions.set(version.0);
        let mut shared = self.shared.borrow_mut();
        shared.insert(key.to_owned(), (value.to_vec(), version));
    }

    /// Runs `work` once, just before the next value is stored: another worker was faster.
    pub fn before_next_store(&self, work: impl FnOnce() + 'static) {
        *self.before_store.borrow_mut() = Some(Box::new(work));
    }
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
    fn now_ms(&self) -> Result<u64, HostError> {
        Ok(self.process.now_ms.get())
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
        let mut metrics = self.process.metrics.borrow_mut();
        let known = metrics.iter().position(|(known, ..)| known == name);
        let index = known.unwrap_or_else(|| {
            metrics.push((name.to_owned(), kind, 0));
            metrics.len() - 1
        });
        u32::try_from(index)
            .map(MetricId)
            .map_err(|_| HostError::BadArgument)
    }

    fn record_metric(&self, metric: MetricId, value: u64) -> Result<(), HostError> {
        self.change(metric, MetricKind::Gauge, |_| value)
    }

    fn increment_metric(&self, metric: MetricId, by: u64) -> Result<(), HostError> {
        self.change(metric, MetricKind::Counter, |value| value + by)
    }
}

impl Worker {
    fn change(
        &self,
        metric: MetricId,
        kind: MetricKind,
        change: impl FnOnce(u64) -> u64,
    ) -> Result<(), HostError> {
        let index = usize::try_from(metric.0).map_err(|_| HostError::BadArgument)?;
        let mut metrics = self.process.metrics.borrow_mut();
        match metrics.get_mut(index) {
            Some((_, known, value)) if *known == kind => {
                *value = change(*value);
                Ok(())
            }
            Some(_) => Err(HostError::BadArgument),
            None => Err(HostError::NotFound),
        }
    }
}

impl SharedData for Worker {
    fn load(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, HostError> {
        Ok(self.process.shared.borrow().get(key).cloned())
    }

    fn store(&self, key: &str, value: &[u8], expected: Option<Version>) -> Result<(), HostError> {
        let before = self.process.before_store.borrow_mut().take();
        if let Some(before) = before {
            before();
        }
        let found = self.load(key)?.map(|(_, version)| version);
        if found != expected {
            return Err(HostError::CasMismatch);
        }
        self.process.set_shared(key, value);
        Ok(())
    }
}
