//! Envoy behind the port: the ABI's calls, and the SDK's contexts.

mod abi;
mod envoy;
mod sdk;

pub use envoy::Envoy;
pub use proxy_wasm::main;
pub use sdk::start;
