//! Random configurations, requests and histories through the built filters, each held against an oracle.
//!
//! A case is a value that a generator made; a run that fails prints the smallest case that still fails, the seed, and
//! how to replay it. Cases that were found are kept in `cases/`, as JSON, and run first. `scripts/fuzz` runs this
//! binary for as long as it is told to; [`budget`] has the environment variables.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod asked;
mod budget;
mod caches;
mod case;
mod cases;
mod configuration;
mod damage;
mod fuzzer;
mod hedges;
mod history;
mod limits;
mod model;
mod placement;
mod policy;
mod properties;
mod run;
mod text;
mod vocabulary;
