//! A proxy-wasm host on wasmtime, to test filters and policies with.
