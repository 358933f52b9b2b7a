//! The API over a control plane in memory that plans and folds with the real state.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod cache;
mod documents;
mod errors;
mod events;
mod leases;
mod observe;
mod properties;
mod wire;
mod world;
