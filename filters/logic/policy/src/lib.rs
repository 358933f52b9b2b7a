//! The documents that people write, and the configuration that filters read.
//!
//! Two layers, one crate, so that the control plane and the filters can never disagree:
//!
//! * [`document`]: `apiVersion`, `kind`, `metadata`, `spec`. Written by people as YAML or JSON, stored as events.
//! * [`compiled`]: one JSON per slot, written by the control plane (or `weir compile`), read by a filter.
//!
//! Beside them stands what filters and servers say to one another: [`proxy`], [`cache_tier`].
//!
//! Everything here is data and its validation: no clock, no I/O, no host.
//!
//! ```
//! use weir_policy::document::Document;
//! let value = serde_json::json!({
//!     "apiVersion": "weir.dev/v1alpha1",
//!     "kind": "Backend",
//!     "metadata": {"name": "orders-a"},
//!     "spec": {"endpoints": [{"address": "127.0.0.1", "port": 0}]}
//! });
//! let problems = Document::from_value(value).unwrap_err();
//! assert_eq!(problems[0].pointer, "/spec/endpoints/0/port");
//! ```

pub mod cache_tier;
pub mod compiled;
pub mod decimal;
pub mod document;
pub mod hash;
pub mod json;
pub mod matching;
pub mod name;
pub mod problem;
pub mod proxy;
pub mod quantity;
pub mod typed;
