//! What a filter may ask of its host: one small trait each.

use crate::error::HostError;

/// How loud a line of the log is, as the ABI numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub enum Level {
    /// For people who look for it.
    Debug = 1,
    /// Worth a line.
    Info = 2,
    /// Something is off, and was dealt with.
    Warn = 3,
    /// Something failed.
    Error = 4,
    /// The filter itself failed.
    Critical = 5,
}

/// What a metric is, as the ABI numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum MetricKind {
    /// Only grows.
    Counter = 0,
    /// One value, the same for the whole process.
    Gauge = 1,
}

/// A metric that the host knows, within one VM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricId(pub u32);

/// The version of a shared value, for compare-and-set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version(pub u32);

/// gRPC status codes that filters answer with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
pub enum GrpcStatus {
    /// The request is wrong.
    InvalidArgument = 3,
    /// There is more of it than allowed.
    ResourceExhausted = 8,
    /// It can't be served now.
    Unavailable = 14,
}

/// The host's log. A line that can't be written is dropped.
pub trait Log {
    /// Writes a line.
    fn log(&self, level: Level, message: &str);
}

/// The wall clock.
pub trait Clock {
    /// Unix time in nanoseconds. It may step back.
    fn now_ns(&self) -> Result<u64, HostError>;
    /// Unix time in milliseconds. It may step back.
    fn now_ms(&self) -> Result<u64, HostError> {
        Ok(self.now_ns()? / 1_000_000)
    }
}

/// What the host knows about the proxy, the connection and the stream: Envoy's attributes.
pub trait Properties {
    /// The value at `path`, such as `["source", "address"]` or `["xds", "node", "id"]`; none where there is none. A text is its
    /// bytes, an integer eight bytes, little-endian.
    fn property(&self, path: &[&str]) -> Result<Option<Vec<u8>>, HostError>;
}

/// The plugin's configuration.
pub trait Configuration {
    /// Its bytes, as the control plane wrote them.
    fn configuration(&self) -> Result<Vec<u8>, HostError>;
}

/// The timer of a root context.
pub trait Ticks {
    /// Ticks come every `milliseconds` from now on; 0 ends them.
    fn set_tick_period(&self, milliseconds: u32) -> Result<(), HostError>;
}

/// Statistics of the process: one value for all workers.
pub trait Metrics {
    /// Finds or makes the metric `name`.
    fn define_metric(&self, kind: MetricKind, name: &str) -> Result<MetricId, HostError>;
    /// Sets a gauge.
    fn record_metric(&self, metric: MetricId, value: u64) -> Result<(), HostError>;
    /// Adds to a counter.
    fn increment_metric(&self, metric: MetricId, by: u64) -> Result<(), HostError>;
}

/// An HTTP call under way, within one VM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallId(pub u32);

/// A request of the filter's own.
#[derive(Clone, Debug)]
pub struct CallRequest<'c> {
    /// The cluster that answers.
    pub cluster: &'c str,
    /// `:method`, `:path`, `:authority` and what else there is. The SDK takes nothing but UTF-8.
    pub headers: Vec<(&'c str, &'c str)>,
    /// The body, or nothing.
    pub body: &'c [u8],
    /// When the host gives up, milliseconds.
    pub timeout_ms: u32,
}

/// The answer to a [`CallRequest`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status. A host that reached nobody answers itself, with 503 or 504.
    pub status: u16,
    /// All headers, pseudo-headers included, as [`RequestHeaders::pairs`] has them; [`crate::pairs::read`] reads them.
    pub headers: Vec<u8>,
    /// The body.
    pub body: Vec<u8>,
}

/// The longest answer of the control plane.
pub const MAX_ANSWER_BYTES: usize = 1 << 20;

/// HTTP calls of a root context. They end without an answer when it goes.
pub trait Calls {
    /// Sends a request.
    ///
    /// # Errors
    /// [`HostError::BadArgument`] where the host has no such cluster, [`HostError::Status`] where it could not send.
    fn call(&self, request: &CallRequest<'_>) -> Result<CallId, HostError>;

    /// The answer to the call that just ended.
    ///
    /// # Errors
    /// [`HostError::NotFound`] where it ended without an answer, [`HostError::BadArgument`] where the body is longer
    /// than `max_bytes`.
    fn answer(&self, max_bytes: usize) -> Result<Answer, HostError>;
}

/// A stream, within one VM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u32);

/// Which stream's callback runs.
pub trait Identity {
    /// The stream.
    fn stream_id(&self) -> StreamId;
}

/// Requests of this VM that were held back ([`crate::Action::Pause`]), from the callback of any context. Each goes on
/// when the callback is over.
pub trait HeldStreams {
    /// Answers a request as [`LocalReply::reply`] does.
    ///
    /// # Errors
    /// [`HostError::BadArgument`] where the stream is gone.
    fn answer_held(
        &self,
        stream: StreamId,
        status: u16,
        headers: &[u8],
        body: &[u8],
    ) -> Result<(), HostError>;

    /// Lets a request go on to the next filter.
    ///
    /// # Errors
    /// [`HostError::BadArgument`] where the stream is gone.
    fn resume(&self, stream: StreamId) -> Result<(), HostError>;
}

/// A queue of messages, within one process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueId(pub u32);

/// Queues of messages between the VMs of a process. A queue is read by the root that opened it last:
/// [`crate::Filter::on_queue`] is called in its worker for each message.
pub trait Queues {
    /// Opens the queue `name` for this root. It has the same id for every root that opens it.
    fn open_queue(&self, name: &str) -> Result<QueueId, HostError>;
    /// Takes the oldest message, if there is one.
    fn dequeue(&self, queue: QueueId) -> Result<Option<Vec<u8>>, HostError>;
}

/// Writing to the queues of [`Queues`].
pub trait Mail {
    /// Puts a message at the end of a queue.
    ///
    /// # Errors
    /// [`HostError::NotFound`] where there is no such queue.
    fn enqueue(&self, queue: QueueId, message: &[u8]) -> Result<(), HostError>;
}

/// Functions that Envoy offers beside the ABI.
pub trait ForeignFunctions {
    /// Calls `name`.
    ///
    /// # Errors
    /// [`HostError::NotFound`] where the host has none of that name.
    fn call_foreign(&self, name: &str, argument: &[u8]) -> Result<Vec<u8>, HostError>;
}

/// The part of a response's body that is at hand.
pub trait ResponseBody {
    /// Its bytes, at most `max_bytes`.
    fn response_body(&self, max_bytes: usize) -> Result<Vec<u8>, HostError>;
    /// Puts other bytes in its place.
    fn set_response_body(&self, bytes: &[u8]) -> Result<(), HostError>;
}

/// Values that all VMs of the process with the same vm_id share.
pub trait SharedData {
    /// The value of `key` and its version.
    fn load(&self, key: &[u8]) -> Result<Option<(Vec<u8>, Version)>, HostError>;
    /// Stores a value without bytes, whatever was there: its version is another from then on. To read such a value costs far
    /// less than to read any other, since the host has nothing to allocate: Envoy 1.40 spends 2,000 instructions on it, and
    /// 10,000 on a value of one byte.
    fn touch(&self, key: &[u8]) -> Result<(), HostError>;
    /// Stores a value if its version is still `expected`, or if `key` is still absent for `None`.
    /// Otherwise [`HostError::CasMismatch`].
    fn store(&self, key: &[u8], value: &[u8], expected: Option<Version>) -> Result<(), HostError>;
}

/// The headers of the request at hand. Names are lower-case, pseudo-headers included; values are bytes.
pub trait RequestHeaders {
    /// All of them, in order, as the ABI lays them out: their number, the lengths of every name and value, then the
    /// texts, each followed by a zero byte; integers are 32 bits, little-endian. No bytes are no headers.
    fn pairs(&self) -> Result<Vec<u8>, HostError>;
    /// Puts one value in the place of all that `name` has.
    fn set(&self, name: &str, value: &[u8]) -> Result<(), HostError>;
    /// Removes every value of `name`; that it has none is no error.
    fn remove(&self, name: &str) -> Result<(), HostError>;
}

/// The headers of the response at hand, the upstream's or a local one. As [`RequestHeaders`].
pub trait ResponseHeaders {
    /// All of them, laid out as [`RequestHeaders::pairs`].
    fn pairs(&self) -> Result<Vec<u8>, HostError>;
    /// The first value of `name`.
    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, HostError>;
    /// Adds a value to those that `name` has.
    fn add(&self, name: &str, value: &[u8]) -> Result<(), HostError>;
    /// Puts one value in the place of all that `name` has.
    fn set(&self, name: &str, value: &[u8]) -> Result<(), HostError>;
    /// Removes every value of `name`; that it has none is no error.
    fn remove(&self, name: &str) -> Result<(), HostError>;
}

/// Answers in the place of an upstream. The filter returns [`crate::Action::Pause`] after it.
///
/// The answer passes the filter's own [`crate::Filter::on_response_headers`].
pub trait LocalReply {
    /// An HTTP answer. The headers are laid out as [`crate::pairs::write`] does it.
    fn reply(&self, status: u16, headers: &[u8], body: &[u8]) -> Result<(), HostError>;
    /// A gRPC answer of trailers only, `headers` among them, for a request that the host takes for gRPC. Any other gets
    /// `message` as plain text with the HTTP status `http`.
    fn reply_grpc(
        &self,
        http: u16,
        status: GrpcStatus,
        message: &str,
        headers: &[(&str, &[u8])],
    ) -> Result<(), HostError>;
}

/// What any callback may ask.
pub trait Host: Log + Clock + Properties + SharedData + HeldStreams + Mail + ForeignFunctions {}
impl<H: Log + Clock + Properties + SharedData + HeldStreams + Mail + ForeignFunctions> Host for H {}

impl<'c> CallRequest<'c> {
    /// A request of JSON, or of no body, to a cluster by its own name.
    pub fn json(cluster: &'c str, method: &'c str, path: &'c str, body: &'c [u8], timeout_ms: u32) -> Self {
        let mut headers = vec![(":method", method), (":path", path), (":authority", cluster)];
        if !body.is_empty() {
            headers.push(("content-type", "application/json"));
        }
        Self {
            cluster,
            headers,
            body,
            timeout_ms,
        }
    }
}

/// What a root context may ask.
pub trait RootHost: Host + Configuration + Ticks + Metrics + Calls + Queues {}
impl<H: Host + Configuration + Ticks + Metrics + Calls + Queues> RootHost for H {}

/// What a stream may ask while its request passes.
pub trait StreamHost: Host + Identity + RequestHeaders + LocalReply {}
impl<H: Host + Identity + RequestHeaders + LocalReply> StreamHost for H {}

/// What a stream may ask while its response passes.
pub trait ResponseHost: Host + Identity + ResponseHeaders + ResponseBody {}
impl<H: Host + Identity + ResponseHeaders + ResponseBody> ResponseHost for H {}
