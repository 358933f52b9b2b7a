//! The workers of a process.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::error::HostError;
use crate::fake::of_process::OfProcess;
use crate::fake::process::Process;
use crate::port::{
    Answer, CallId, CallRequest, Calls, Clock, Configuration, Level, Log, MetricId, MetricKind, Metrics,
    Properties, QueueId, Queues, SharedData, Ticks, Version,
};

/// One worker of a process: its configuration, timer and log.
pub struct Worker {
    process: Rc<Process>,
    configuration: RefCell<Vec<u8>>,
    tick_period: Cell<Option<u32>>,
    log: RefCell<Vec<(Level, String)>>,
    calls: RefCell<Vec<UnderWay>>,
    next_call: Cell<u32>,
    no_calls: Cell<Option<HostError>>,
    answer: RefCell<Option<Answer>>,
    unwritable: RefCell<Vec<Vec<u8>>>,
}

/// A call that the worker made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnderWay {
    /// The call.
    pub call: CallId,
    /// The cluster.
    pub cluster: String,
    /// Pseudo-headers included.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// The host's own timeout.
    pub timeout_ms: u32,
}

impl UnderWay {
    /// The value of the header `name`.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
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
            calls: RefCell::default(),
            next_call: Cell::new(0),
            no_calls: Cell::new(None),
            answer: RefCell::default(),
            unwritable: RefCell::default(),
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

    /// Takes the calls that were made and not taken so far.
    pub fn take_calls(&self) -> Vec<UnderWay> {
        self.calls.take()
    }

    /// From now on the host sends no calls, for this reason; for none it does again.
    pub fn send_no_calls(&self, reason: Option<HostError>) {
        self.no_calls.set(reason);
    }

    /// The answer to the call that ends next; none: it ends without one.
    pub fn answer_with(&self, answer: Option<Answer>) {
        *self.answer.borrow_mut() = answer;
    }

    /// From now on this worker can't store a value of `key`.
    pub fn fail_store(&self, key: impl AsRef<[u8]>) {
        self.unwritable.borrow_mut().push(key.as_ref().to_vec());
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

    fn touch(&self, key: &[u8]) -> Result<(), HostError> {
        self.process.set_shared(key, &[]);
        Ok(())
    }

    fn store(&self, key: &[u8], value: &[u8], expected: Option<Version>) -> Result<(), HostError> {
        if self.unwritable.borrow().iter().any(|known| known == key) {
            return Err(HostError::Status(10));
        }
        self.process.store(key, value, expected)
    }
}

impl OfProcess for Worker {
    fn process(&self) -> &Process {
        &self.process
    }
}

impl Queues for Worker {
    fn open_queue(&self, name: &str) -> Result<QueueId, HostError> {
        self.process.open_queue(name)
    }

    fn dequeue(&self, queue: QueueId) -> Result<Option<Vec<u8>>, HostError> {
        self.process.with_queue(queue, |messages| messages.pop_front())
    }
}

impl Calls for Worker {
    fn call(&self, request: &CallRequest<'_>) -> Result<CallId, HostError> {
        if let Some(reason) = self.no_calls.get() {
            return Err(reason);
        }
        let call = CallId(self.next_call.get());
        self.next_call.set(call.0 + 1);
        let headers = request.headers.iter();
        self.calls.borrow_mut().push(UnderWay {
            call,
            cluster: request.cluster.to_owned(),
            headers: headers
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            body: request.body.to_vec(),
            timeout_ms: request.timeout_ms,
        });
        Ok(call)
    }

    fn answer(&self, max_bytes: usize) -> Result<Answer, HostError> {
        let answer = self.answer.borrow_mut().take().ok_or(HostError::NotFound)?;
        if answer.body.len() > max_bytes {
            return Err(HostError::BadArgument);
        }
        Ok(answer)
    }
}
