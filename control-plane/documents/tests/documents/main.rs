//! Documents from files: what is read, what is refused, and where problems stand.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod loading;
mod places;
