//! The command line from outside: files, a server on loopback, and Envoy itself.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod commands;
mod harness;
mod hedge;
mod modules;
mod proxy;
mod purge;
mod quota;
mod status;
mod testing;
