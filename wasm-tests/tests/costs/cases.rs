//! The requests, filter by filter.

mod edge_cache;
mod rate_limit;
mod request_hedge;
mod shard_router;

use crate::case::Case;

/// A filter's cases; none for a filter that nobody has written any for.
pub(crate) fn of(filter: &str) -> Option<Vec<Case>> {
    match filter {
        "edge-cache" => Some(edge_cache::cases()),
        "rate-limit" => Some(rate_limit::cases()),
        "request-hedge" => Some(request_hedge::cases()),
        "shard-router" => Some(shard_router::cases()),
        _ => None,
    }
}
