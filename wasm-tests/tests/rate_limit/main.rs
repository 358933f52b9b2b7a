//! The built rate-limit filter: several workers over one shared-data store, and several processes with a control plane.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod clocks;
mod concurrency;
mod control;
mod costs;
mod failures;
mod fixture;
mod fleet;
mod limits;
mod odd_bytes;
mod rate;
mod shadows;
mod way_back;
