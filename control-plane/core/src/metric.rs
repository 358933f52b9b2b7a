//! The filters' metrics, as the proxies show them.

/// The labels that filters write into their metrics' names, `.label.value`, in this order.
pub const LABELS: [&str; 4] = ["filter", "outcome", "map", "shard"];
