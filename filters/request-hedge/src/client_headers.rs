//! What a client must not say: how often Envoy tries, and when.

use weir_host::port::{RequestHeaders, StreamHost};
use weir_host::{HostError, Request};

pub(crate) const DELAY: &str = "x-envoy-upstream-rq-per-try-timeout-ms";
pub(crate) const HEDGE: &str = "x-envoy-hedge-on-per-try-timeout";
pub(crate) const MAX_RETRIES: &str = "x-envoy-max-retries";
pub(crate) const RETRY_ON: &str = "x-envoy-retry-on";

/// The headers by which Envoy's router retries and hedges.
const OF_THE_ROUTER: [&str; 7] = [
    DELAY,
    HEDGE,
    MAX_RETRIES,
    RETRY_ON,
    "x-envoy-retry-grpc-on",
    "x-envoy-retriable-status-codes",
    "x-envoy-retriable-header-names",
];

/// Removes them.
pub(crate) fn remove<H: StreamHost>(request: &Request<'_, H>) -> Result<(), HostError> {
    let ours = request.names().filter(|name| name.starts_with(b"x-envoy-"));
    let known = |name: &[u8]| OF_THE_ROUTER.iter().find(|known| known.as_bytes() == name);
    let mut sent = ours.filter_map(known);
    sent.try_for_each(|name| RequestHeaders::remove(request.host(), name))
}
