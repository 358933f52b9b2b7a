//! The built request-hedge filter, before replicas that are slow by script, in virtual time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod attempts;
mod budget;
mod changes;
mod clocks;
mod counts;
mod delay;
mod failures;
mod fit;
mod fixture;
mod headers;
mod hedges;
mod overload;
mod replicas;
mod shadow;
mod traps;
