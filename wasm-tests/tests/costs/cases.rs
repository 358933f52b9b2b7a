//! The requests, filter by filter.

mod shard_router;

use crate::case::Case;

/// A filter's cases; none for a filter that nobody has written any for.
pub(crate) fn of(filter: &str) -> Option<Vec<Case>> {
    match filter {
        "shard-router" => Some(shard_router::cases()),
        _ => None,
    }
}
