//! The host functions, by what they are about.
//!
//! They answer as proxy-wasm-cpp-host (`src/exports.cc`) and Envoy (`source/extensions/common/wasm/context.cc`) do.

/// Defines host functions: `name(guest, arguments) => what it does`, each counted, and each open to faults.
macro_rules! host_functions {
    ($linker:expr, { $( $name:ident($guest:ident $(, $argument:ident: $type:ty)*) => $body:expr; )* }) => {
        $({
            let place = $crate::vm::imports::place(stringify!($name));
            $linker.func_wrap(
                $crate::abi::IMPORT_MODULE,
                stringify!($name),
                move |call: wasmtime::Caller<'_, $crate::vm::state::HostState> $(, $argument: $type)*| {
                    $crate::vm::imports::run(call, place, |$guest| $body)
                },
            )?;
        })*
    };
}

mod buffers;
mod calls;
mod clock;
mod emscripten;
mod foreign;
mod grpc;
mod header_maps;
mod lifecycle;
mod logging;
mod metrics;
mod properties;
mod queues;
mod shared_data;
mod streams;
mod wasi;

use wasmtime::{Caller, Engine, Linker};

use crate::abi::HOST_FUNCTIONS;
use crate::vm::guest::{Fault, Guest, answer};
use crate::vm::state::HostState;

/// A linker with every host function of the ABI, WASI, and what Emscripten needs.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<HostState>> {
    let mut linker = Linker::new(engine);
    buffers::add(&mut linker)?;
    calls::add(&mut linker)?;
    clock::add(&mut linker)?;
    emscripten::add(&mut linker)?;
    foreign::add(&mut linker)?;
    grpc::add(&mut linker)?;
    header_maps::add(&mut linker)?;
    lifecycle::add(&mut linker)?;
    logging::add(&mut linker)?;
    metrics::add(&mut linker)?;
    properties::add(&mut linker)?;
    queues::add(&mut linker)?;
    shared_data::add(&mut linker)?;
    streams::add(&mut linker)?;
    wasi::add(&mut linker)?;
    Ok(linker)
}

/// A host function's place in [`HOST_FUNCTIONS`].
fn place(name: &str) -> usize {
    let found = HOST_FUNCTIONS.iter().position(|known| *known == name);
    found.unwrap_or(usize::MAX)
}

/// Counts the call, and lets a fault answer in the function's place.
fn run(
    call: Caller<'_, HostState>,
    place: usize,
    function: impl FnOnce(&mut Guest<'_>) -> Result<(), Fault>,
) -> wasmtime::Result<u32> {
    let mut guest = Guest(call);
    if let Some(count) = guest.state_mut().host_calls.get_mut(place) {
        *count += 1;
    }
    let state = guest.state();
    match state.shared().faults.strike(state.current_plugin().name(), place) {
        Some(status) => Ok(status as u32),
        None => answer(function(&mut guest)),
    }
}
