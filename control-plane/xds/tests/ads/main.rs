//! The ADS server over real sockets: with the generated client in the proxy's place, and with Envoy itself.
//!
//! Needs an Envoy binary (`WEIR_ENVOY`); `./scripts/setup` fetches one.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod loopback;
mod support;
mod with_envoy;
