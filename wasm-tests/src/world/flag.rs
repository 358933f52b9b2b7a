//! Envoy's response flags, as bits (`envoy/stream_info/stream_info.h`).

pub(super) const NO_HEALTHY_UPSTREAM: u64 = 0x2;
pub(super) const UPSTREAM_REQUEST_TIMEOUT: u64 = 0x4;
pub(super) const UPSTREAM_REMOTE_RESET: u64 = 0x10;
pub(super) const UPSTREAM_CONNECTION_FAILURE: u64 = 0x20;
pub(super) const UPSTREAM_CONNECTION_TERMINATION: u64 = 0x40;
pub(super) const NO_ROUTE_FOUND: u64 = 0x100;
pub(super) const UPSTREAM_RETRY_LIMIT_EXCEEDED: u64 = 0x8000;
pub(super) const DOWNSTREAM_REMOTE_RESET: u64 = 0x1000_0000;
pub(super) const NO_CLUSTER_FOUND: u64 = 0x0100_0000;
