//! The filter over the host in memory.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod answers;
mod events;
mod failures;
mod fixture;
mod leases;
mod requests;
