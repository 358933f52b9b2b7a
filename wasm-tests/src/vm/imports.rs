//! The host functions, by what they are about.
//!
//! They answer as proxy-wasm-cpp-host (`src/exports.cc`) and Envoy (`source/extensions/common/wasm/context.cc`) do.

mod buffers;
mod clock;
mod header_maps;
mod lifecycle;
mod logging;
mod metrics;
mod properties;
mod shared_data;
mod streams;
mod unimplemented;

use wasmtime::{Engine, Linker};

use crate::vm::state::HostState;

/// A linker with every host function of the ABI.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<HostState>> {
    let mut linker = Linker::new(engine);
    buffers::add(&mut linker)?;
    clock::add(&mut linker)?;
    header_maps::add(&mut linker)?;
    lifecycle::add(&mut linker)?;
    logging::add(&mut linker)?;
    metrics::add(&mut linker)?;
    properties::add(&mut linker)?;
    shared_data::add(&mut linker)?;
    streams::add(&mut linker)?;
    unimplemented::add(&mut linker)?;
    Ok(linker)
}
