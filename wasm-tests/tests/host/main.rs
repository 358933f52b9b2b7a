//! The host itself, by modules written for one test each.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod abi;
mod chain;
mod configuration;
mod failures;
mod faults;
mod fleet;
mod grpc;
mod header_maps;
mod probe;
mod sharing;
mod streams;
mod tcp;
mod wasi;
