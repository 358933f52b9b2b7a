//! Wasm filter that does nothing: the floor of the benchmarks.
