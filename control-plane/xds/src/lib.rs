//! ADS: snapshots to proxies, ACK and NACK back.

mod identity;
mod service;
mod session;
pub mod stream;

pub use service::{AdsService, Options};
