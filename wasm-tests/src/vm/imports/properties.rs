//! Properties: what a test gave the request, what the filter set itself, and the plugin's own names.

use wasmtime::{Caller, Linker};

use crate::abi::{IMPORT_MODULE, Status};
use crate::vm::guest::{Fault, Guest, answer};
use crate::vm::state::HostState;

type Call<'a> = Caller<'a, HostState>;

pub(super) fn add(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    linker.func_wrap(
        IMPORT_MODULE,
        "proxy_get_property",
        |call: Call<'_>, path: u32, path_size: u32, value_to: u32, size_to: u32| {
            answer(get(&mut Guest(call), (path, path_size), (value_to, size_to)))
        },
    )?;
    linker.func_wrap(
        IMPORT_MODULE,
        "proxy_set_property",
        |call: Call<'_>, path: u32, path_size: u32, value: u32, value_size: u32| {
            answer(set(&mut Guest(call), (path, path_size), (value, value_size)))
        },
    )?;
    Ok(())
}

fn get(guest: &mut Guest<'_>, path: (u32, u32), value_to: (u32, u32)) -> Result<(), Fault> {
    let path = guest.bytes(path.0, path.1)?;
    let value = value(guest.state(), &path).ok_or(Status::NotFound)?.to_vec();
    guest.hand_out(&value, value_to.0, value_to.1)
}

/// A known name wins over what a filter has set under it, as in Envoy.
fn value<'a>(state: &'a HostState, path: &[u8]) -> Option<&'a [u8]> {
    match path {
        b"plugin_name" => return Some(state.spec.module.filter().as_bytes()),
        b"plugin_vm_id" => return Some(state.vm_id().as_bytes()),
        _ => {}
    }
    let stream = state.current_stream()?;
    let found = stream
        .properties
        .get(path)
        .or_else(|| stream.filter_state.get(path));
    found.map(Vec::as_slice)
}

/// Filter state belongs to a stream: outside of one there is nowhere to keep it.
fn set(guest: &mut Guest<'_>, path: (u32, u32), value: (u32, u32)) -> Result<(), Fault> {
    let path = guest.bytes(path.0, path.1)?;
    let value = guest.bytes(value.0, value.1)?;
    let stream = guest.state_mut().current_stream_mut().ok_or(Status::NotFound)?;
    stream.filter_state.insert(path, value);
    Ok(())
}
