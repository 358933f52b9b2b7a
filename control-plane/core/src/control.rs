//! The way from filters to the control plane.

/// The static cluster of a proxy's bootstrap whose hosts serve the REST API.
pub const CLUSTER: &str = "weir-control";
