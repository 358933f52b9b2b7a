//! Test files from outside: what they can say, what is refused, and how a failure reads.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod fixture;
mod judging;
mod problems;
mod readme;
mod reports;
mod running;
mod traps;
