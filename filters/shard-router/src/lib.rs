//! Wasm filter: sends a request to the shard that owns its key.
