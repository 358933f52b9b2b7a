//! The built shard-router: two workers over one shared-data store.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod fixture;
mod generations;
mod placement;
mod refusals;
mod trust;
