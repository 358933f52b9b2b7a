//! The port to Envoy: the only crate that names proxy-wasm.
