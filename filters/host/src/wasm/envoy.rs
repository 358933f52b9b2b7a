//! Envoy as the host.

use crate::error::HostError;
use crate::port::{
    Clock, Configuration, GrpcStatus, Level, LocalReply, Log, MetricId, MetricKind, Metrics, RequestHeaders,
    SharedData, Ticks, Version,
};
use crate::wasm::abi::{self, Buffer, Map};

/// Stores a shared value only if there is none: Envoy compares the number only where the key exists, its own numbers
/// count up from 1, and 0 would mean "whatever it is".
const ABSENT: u32 = u32::MAX;

/// Envoy, through the ABI. Every call acts on the context whose callback runs.
#[derive(Clone, Copy, Debug)]
pub struct Envoy;

impl Log for Envoy {
    fn log(&self, level: Level, message: &str) {
        // There is nowhere to say that the log failed.
        let _ = abi::log(level as u32, message);
    }
}

impl Clock for Envoy {
    fn now_ms(&self) -> Result<u64, HostError> {
        Ok(abi::current_time_nanoseconds()? / 1_000_000)
    }
}

impl Configuration for Envoy {
    fn configuration(&self) -> Result<Vec<u8>, HostError> {
        abi::buffer(Buffer::PluginConfiguration)
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
    fn load(&self, key: &str) -> Result<Option<(Vec<u8>, Version)>, HostError> {
        let found = abi::shared_data(key)?;
        Ok(found.map(|(value, cas)| (value, Version(cas))))
    }

    fn store(&self, key: &str, value: &[u8], expected: Option<Version>) -> Result<(), HostError> {
        abi::set_shared_data(key, value, expected.map_or(ABSENT, |version| version.0))
    }
}

impl RequestHeaders for Envoy {
    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, HostError> {
        abi::header(Map::RequestHeaders, name)
    }

    fn set(&self, name: &str, value: &[u8]) -> Result<(), HostError> {
        abi::replace_header(Map::RequestHeaders, name, value)
    }

    fn remove(&self, name: &str) -> Result<(), HostError> {
        abi::remove_header(Map::RequestHeaders, name)
    }
}

impl LocalReply for Envoy {
    fn reply(&self, status: u16, headers: &[(&str, &str)], body: &[u8]) -> Result<(), HostError> {
        abi::send_local_response(status.into(), &pairs(headers), body, -1)
    }

    fn reply_grpc(&self, status: GrpcStatus, message: &str) -> Result<(), HostError> {
        abi::send_local_response(200, &pairs(&[]), message.as_bytes(), status as i32)
    }
}

/// Headers as the ABI wants them: their number, the lengths of every name and value, then the texts, each followed by
/// a zero byte; integers are 32 bits, little-endian.
fn pairs(headers: &[(&str, &str)]) -> Vec<u8> {
    let mut bytes = length(headers.len()).to_vec();
    for (name, value) in headers {
        bytes.extend(length(name.len()));
        bytes.extend(length(value.len()));
    }
    for text in headers.iter().flat_map(|(name, value)| [name, value]) {
        bytes.extend_from_slice(text.as_bytes());
        bytes.push(0);
    }
    bytes
}

fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
}
