//! The tier on a real Redis, and on a real Redis Cluster.
//!
//! Needs `redis-server` and `redis-cli`; `./scripts/test` installs them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod cluster;
mod fills;
mod flight;
mod outage;
mod purges;
mod requests;
mod support;
mod variants;
