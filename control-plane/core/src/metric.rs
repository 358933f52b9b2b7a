//! The filters' metrics, as the proxies show them.

/// The labels that filters write into their metrics' names, `.label.value`, in this order.
pub const LABELS: [&str; 7] = ["filter", "call", "outcome", "map", "policy", "limit", "shard"];
