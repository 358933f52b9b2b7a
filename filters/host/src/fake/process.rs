//! The process.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::rc::Rc;

use crate::error::HostError;
use crate::fake::stream::Reply;
use crate::port::{MetricId, MetricKind, QueueId, StreamId, Version};

/// A shared value.
type Versioned = (Vec<u8>, Version);

/// What became of a request that was held.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Released {
    /// It went on.
    Resumed,
    /// It was answered.
    Answered(Reply),
}

/// A queue's name and its messages.
type Queue = (String, VecDeque<Vec<u8>>);

/// One proxy process.
#[derive(Default)]
pub struct Process {
    now_ns: Cell<u64>,
    shared: RefCell<BTreeMap<Vec<u8>, Versioned>>,
    versions: Cell<u32>,
    metrics: RefCell<Vec<(String, MetricKind, u64)>>,
    properties: RefCell<BTreeMap<String, Vec<u8>>>,
    before_store: RefCell<Option<Box<dyn FnOnce()>>>,
    released: RefCell<Vec<(StreamId, Released)>>,
    queues: RefCell<Vec<Queue>>,
}

impl Process {
    /// A process at the time `now_ms`, Unix milliseconds.
    pub fn new(now_ms: u64) -> Rc<Self> {
        let process = Self::default();
        process.set_now_ms(now_ms);
        Rc::new(process)
    }

    /// Sets the clock.
    pub fn set_now_ms(&self, now_ms: u64) {
        self.set_now_ns(now_ms * 1_000_000);
    }

    /// Sets the clock, Unix nanoseconds.
    pub fn set_now_ns(&self, now_ns: u64) {
        self.now_ns.set(now_ns);
    }

    /// The clock, Unix nanoseconds.
    pub fn now_ns(&self) -> u64 {
        self.now_ns.get()
    }

    /// Gives the property at `path` a value.
    pub fn set_property(&self, path: &[&str], value: &[u8]) {
        let mut properties = self.properties.borrow_mut();
        properties.insert(path.join("."), value.to_vec());
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
    pub fn shared(&self, key: impl AsRef<[u8]>) -> Option<Vec<u8>> {
        self.shared
            .borrow()
            .get(key.as_ref())
            .map(|(value, _)| value.clone())
    }

    /// The keys of all shared values.
    pub fn shared_keys(&self) -> Vec<Vec<u8>> {
        self.shared.borrow().keys().cloned().collect()
    }

    /// Puts a shared value there, whatever was.
    pub fn set_shared(&self, key: impl AsRef<[u8]>, value: &[u8]) {
        let version = Version(self.versions.get() + 1);
        self.versions.set(version.0);
        let mut shared = self.shared.borrow_mut();
        shared.insert(key.as_ref().to_owned(), (value.to_vec(), version));
    }

    /// Runs `work` once, just before the next value is stored: another worker was faster.
    pub fn before_next_store(&self, work: impl FnOnce() + 'static) {
        *self.before_store.borrow_mut() = Some(Box::new(work));
    }

    /// The held requests that were released so far, in their order.
    pub fn released(&self) -> Vec<(StreamId, Released)> {
        self.released.borrow().clone()
    }

    pub(super) fn release(&self, stream: StreamId, released: Released) {
        self.released.borrow_mut().push((stream, released));
    }

    pub(super) fn open_queue(&self, name: &str) -> Result<QueueId, HostError> {
        let mut queues = self.queues.borrow_mut();
        let known = queues.iter().position(|(known, _)| known == name);
        let index = known.unwrap_or_else(|| {
            queues.push((name.to_owned(), VecDeque::new()));
            queues.len() - 1
        });
        u32::try_from(index)
            .map(QueueId)
            .map_err(|_| HostError::BadArgument)
    }

    pub(super) fn with_queue<T>(
        &self,
        queue: QueueId,
        work: impl FnOnce(&mut VecDeque<Vec<u8>>) -> T,
    ) -> Result<T, HostError> {
        let index = usize::try_from(queue.0).map_err(|_| HostError::BadArgument)?;
        let mut queues = self.queues.borrow_mut();
        let (_, messages) = queues.get_mut(index).ok_or(HostError::NotFound)?;
        Ok(work(messages))
    }

    pub(super) fn property(&self, path: &[&str]) -> Option<Vec<u8>> {
        self.properties.borrow().get(&path.join(".")).cloned()
    }

    pub(super) fn load(&self, key: &[u8]) -> Option<Versioned> {
        self.shared.borrow().get(key).cloned()
    }

    pub(super) fn store(&self, key: &[u8], value: &[u8], expected: Option<Version>) -> Result<(), HostError> {
        let before = self.before_store.borrow_mut().take();
        if let Some(before) = before {
            before();
        }
        let found = self.load(key).map(|(_, version)| version);
        if found != expected {
            return Err(HostError::CasMismatch);
        }
        self.set_shared(key, value);
        Ok(())
    }

    pub(super) fn define_metric(&self, kind: MetricKind, name: &str) -> Result<MetricId, HostError> {
        let mut metrics = self.metrics.borrow_mut();
        let known = metrics.iter().position(|(known, ..)| known == name);
        let index = known.unwrap_or_else(|| {
            metrics.push((name.to_owned(), kind, 0));
            metrics.len() - 1
        });
        u32::try_from(index)
            .map(MetricId)
            .map_err(|_| HostError::BadArgument)
    }

    pub(super) fn change_metric(
        &self,
        metric: MetricId,
        kind: MetricKind,
        change: impl FnOnce(u64) -> u64,
    ) -> Result<(), HostError> {
        let index = usize::try_from(metric.0).map_err(|_| HostError::BadArgument)?;
        let mut metrics = self.metrics.borrow_mut();
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
