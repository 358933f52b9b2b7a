//! Envoy as the host.

use std::time::Duration;

use proxy_wasm::hostcalls;

use crate::error::HostError;
use crate::pairs;
use crate::port::{
    Answer, CallId, CallRequest, Calls, Clock, Configuration, ForeignFunctions, GrpcStatus, HeldStreams,
    Identity, Level, LocalReply, Log, Mail, MetricId, MetricKind, Metrics, Properties, QueueId, Queues,
    RequestHeaders, ResponseBody, ResponseHeaders, SharedData, StreamId, Ticks, Version,
};
use crate::wasm::abi::{self, Buffer, Map};

/// Stores a shared value only if there is none: Envoy compares the number only where the key exists, and its own numbers
/// count up from 1.
const ABSENT: u32 = u32::MAX;
/// Stores a shared value whatever is there.
const ANY: u32 = 0;

/// Envoy, through the ABI. Every call acts on the context whose callback runs.
#[derive(Clone, Copy, Debug)]
pub struct Envoy {
    context: u32,
}

impl Envoy {
    /// As the context of that id sees it.
    pub(super) const fn of(context: u32) -> Self {
        Self { context }
    }

    /// Works on another context of this VM.
    fn within(
        &self,
        stream: StreamId,
        work: impl FnOnce() -> Result<(), HostError>,
    ) -> Result<(), HostError> {
        abi::set_effective_context(stream.0)?;
        let worked = work();
        worked.and(abi::set_effective_context(self.context))
    }
}

impl Identity for Envoy {
    fn stream_id(&self) -> StreamId {
        StreamId(self.context)
    }
}

impl HeldStreams for Envoy {
    fn answer_held(
        &self,
        stream: StreamId,
        status: u16,
        headers: &[u8],
        body: &[u8],
    ) -> Result<(), HostError> {
        self.within(stream, || self.reply(status, headers, body))
    }

    fn resume(&self, stream: StreamId) -> Result<(), HostError> {
        self.within(stream, abi::continue_request)
    }
}

impl Queues for Envoy {
    fn open_queue(&self, name: &str) -> Result<QueueId, HostError> {
        abi::register_shared_queue(name).map(QueueId)
    }

    fn dequeue(&self, queue: QueueId) -> Result<Option<Vec<u8>>, HostError> {
        abi::dequeue_shared_queue(queue.0)
    }
}

impl Mail for Envoy {
    fn enqueue(&self, queue: QueueId, message: &[u8]) -> Result<(), HostError> {
        abi::enqueue_shared_queue(queue.0, message)
    }
}

impl ForeignFunctions for Envoy {
    fn call_foreign(&self, name: &str, argument: &[u8]) -> Result<Vec<u8>, HostError> {
        abi::call_foreign_function(name, argument)
    }
}

impl ResponseBody for Envoy {
    fn response_body(&self, max_bytes: usize) -> Result<Vec<u8>, HostError> {
        abi::buffer(Buffer::ResponseBody, max_bytes)
    }

    fn set_response_body(&self, bytes: &[u8]) -> Result<(), HostError> {
        abi::set_buffer(Buffer::ResponseBody, bytes)
    }
}

impl Log for Envoy {
    fn log(&self, level: Level, message: &str) {
        // There is nowhere to say that the log failed.
        let _ = abi::log(level as u32, message);
    }
}

impl Clock for Envoy {
    fn now_ns(&self) -> Result<u64, HostError> {
        abi::current_time_nanoseconds()
    }
}

impl Properties for Envoy {
    fn property(&self, path: &[&str]) -> Result<Option<Vec<u8>>, HostError> {
        abi::property(path.join("\0").as_bytes())
    }
}

impl Configuration for Envoy {
    fn configuration(&self) -> Result<Vec<u8>, HostError> {
        abi::buffer(Buffer::PluginConfiguration, usize::MAX)
    }
}

impl Ticks for Envoy {
    fn set_tick_period(&self, milliseconds: u32) -> Result<(), HostError> {
        abi::set_tick_period(milliseconds)
    }
}

impl Metrics for Envoy {
    fn define_metric(&self, kind: MetricKind, name: &str) -> Result<MetricId, HostError> {
        abi::define_metric(kind as u32, name).map(MetricId)
    }

    fn record_metric(&self, metric: MetricId, value: u64) -> Result<(), HostError> {
        abi::record_metric(metric.0, value)
    }

    fn increment_metric(&self, metric: MetricId, by: u64) -> Result<(), HostError> {
        abi::increment_metric(metric.0, i64::try_from(by).unwrap_or(i64::MAX))
    }
}

impl SharedData for Envoy {
    fn load(&self, key: &[u8]) -> Result<Option<(Vec<u8>, Version)>, HostError> {
        let found = abi::shared_data(key)?;
        Ok(found.map(|(value, cas)| (value, Version(cas))))
    }

    fn touch(&self, key: &[u8]) -> Result<(), HostError> {
        abi::set_shared_data(key, &[], ANY)
    }

    fn store(&self, key: &[u8], value: &[u8], expected: Option<Version>) -> Result<(), HostError> {
        abi::set_shared_data(key, value, expected.map_or(ABSENT, |version| version.0))
    }
}

/// By the SDK, which gives an answer only to the context that it knows to have asked, and panics at one that it does not
/// know. Its call fails with the two statuses that Envoy has for calls (no such cluster or incomplete headers; could not
/// be sent) and panics on any other.
impl Calls for Envoy {
    fn call(&self, request: &CallRequest<'_>) -> Result<CallId, HostError> {
        let body = (!request.body.is_empty()).then_some(request.body);
        let timeout = Duration::from_millis(request.timeout_ms.into());
        let headers = request.headers.clone();
        hostcalls::dispatch_http_call(request.cluster, headers, body, vec![], timeout)
            .map(CallId)
            .or_else(|status| HostError::check(status as u32).and(Err(HostError::BadArgument)))
    }

    fn answer(&self, max_bytes: usize) -> Result<Answer, HostError> {
        let headers = abi::header_pairs(Map::CallResponseHeaders)?;
        let status = status_of(&headers).ok_or(HostError::NotFound)?;
        let body = abi::buffer(Buffer::CallResponseBody, max_bytes.saturating_add(1))?;
        if body.len() > max_bytes {
            return Err(HostError::BadArgument);
        }
        Ok(Answer {
            status,
            headers,
            body,
        })
    }
}

/// The status among the headers of an answer.
fn status_of(headers: &[u8]) -> Option<u16> {
    let (_, value) = pairs::read(headers).find(|(name, _)| *name == b":status")?;
    str::from_utf8(value).ok()?.parse().ok()
}

impl RequestHeaders for Envoy {
    fn pairs(&self) -> Result<Vec<u8>, HostError> {
        abi::header_pairs(Map::RequestHeaders)
    }

    fn set(&self, name: &str, value: &[u8]) -> Result<(), HostError> {
        abi::replace_header(Map::RequestHeaders, name, value)
    }

    fn remove(&self, name: &str) -> Result<(), HostError> {
        abi::remove_header(Map::RequestHeaders, name)
    }
}

impl ResponseHeaders for Envoy {
    fn pairs(&self) -> Result<Vec<u8>, HostError> {
        abi::header_pairs(Map::ResponseHeaders)
    }

    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, HostError> {
        abi::header(Map::ResponseHeaders, name)
    }

    fn add(&self, name: &str, value: &[u8]) -> Result<(), HostError> {
        abi::add_header(Map::ResponseHeaders, name, value)
    }

    fn set(&self, name: &str, value: &[u8]) -> Result<(), HostError> {
        abi::replace_header(Map::ResponseHeaders, name, value)
    }

    fn remove(&self, name: &str) -> Result<(), HostError> {
        abi::remove_header(Map::ResponseHeaders, name)
    }
}

impl LocalReply for Envoy {
    fn reply(&self, status: u16, headers: &[u8], body: &[u8]) -> Result<(), HostError> {
        abi::send_local_response(status.into(), headers, body, -1)
    }

    fn reply_grpc(
        &self,
        http: u16,
        status: GrpcStatus,
        message: &str,
        headers: &[(&str, &[u8])],
    ) -> Result<(), HostError> {
        let headers = pairs::write(headers);
        abi::send_local_response(http.into(), &headers, message.as_bytes(), status as i32)
    }
}
