//! What the built filters cost: units of fuel (about one per WebAssembly instruction) and host calls per request,
//! beside the committed tables in `wasm-tests/costs/`, so that a slower filter is seen in review.
//!
//! A filter's table is rewritten with `WEIR_REFRESH=1 cargo test -p weir-wasm-tests --test costs`; commit it with the
//! change that it shows. [`cases`] has the requests: every packed filter must have some.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod case;
mod cases;
mod comparison;
mod report;
mod table;
