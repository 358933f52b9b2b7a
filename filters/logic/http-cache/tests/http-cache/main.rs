//! The rules of a shared cache, section by section, and a cache of the simplest kind that lives by them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod answers;
mod ask;
mod bytes;
mod conditions;
mod fields;
mod fixture;
mod forward;
mod key;
mod oracle;
mod reuse;
mod storing;
mod validation;
mod vary;
