//! ADS: snapshots to proxies, ACK and NACK back.

mod node;
mod options;
mod registration;
mod service;
mod session;
pub mod stream;
mod wire;

pub use options::Options;
pub use registration::Clock;
pub use service::AdsService;
