//! A whole slot, over buckets in memory that other workers write to at the worst moments.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod address;
mod admission;
mod board;
mod claim;
mod clock;
mod configuration;
mod cookie;
mod cost;
mod demand;
mod fields;
mod fixture;
mod key;
mod rules;
mod world;
