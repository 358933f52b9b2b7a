//! Properties: what a test gave the request, what the proxy knows, and what filters have set.

use wasmtime::Linker;

use crate::abi::Status;
use crate::process::shared::locked;
use crate::properties;
use crate::vm::guest::{Fault, Guest};
use crate::vm::state::HostState;

pub(super) fn add(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    host_functions!(linker, {
        proxy_get_property(guest, path: u32, path_size: u32, value_to: u32, size_to: u32) =>
            get(guest, (path, path_size), (value_to, size_to));
        proxy_set_property(guest, path: u32, path_size: u32, value: u32, value_size: u32) =>
            set(guest, (path, path_size), (value, value_size));
    });
    Ok(())
}

fn get(guest: &mut Guest<'_>, path: (u32, u32), value_to: (u32, u32)) -> Result<(), Fault> {
    let path = guest.bytes(path.0, path.1)?;
    let value = value(guest.state(), &path)?;
    guest.hand_out(&value, value_to.0, value_to.1)
}

/// A known name wins over what a filter has set under it, as in Envoy; what the test gave wins over both.
fn value(state: &HostState, path: &[u8]) -> Result<Vec<u8>, Status> {
    let plugin = &state.current_plugin().options;
    match path {
        b"" => return Err(Status::SerializationFailure),
        b"plugin_name" => return Ok(plugin.name.clone().into_bytes()),
        b"plugin_root_id" => return Ok(plugin.root_id.clone().into_bytes()),
        b"plugin_vm_id" => return Ok(plugin.vm_id.clone().into_bytes()),
        b"xds\0node\0id" => return Ok(state.shared().node_id.clone().into_bytes()),
        _ => {}
    }
    let stream = state.current_stream().ok_or(Status::NotFound)?;
    if let Some(given) = locked(&stream.flow).properties.get(path) {
        return Ok(given.clone());
    }
    match properties::of_stream(stream, &parts(path)) {
        Err(Status::NotFound) if !path.contains(&0) => properties::filter_state(&locked(&stream.flow), path),
        known => known,
    }
}

/// A path's parts, which zero bytes part.
fn parts(path: &[u8]) -> Vec<&str> {
    let text = std::str::from_utf8(path).unwrap_or_default();
    text.trim_end_matches('\0').split('\0').collect()
}

/// Filter state belongs to a stream: outside of one there is nowhere to keep it.
fn set(guest: &mut Guest<'_>, path: (u32, u32), value: (u32, u32)) -> Result<(), Fault> {
    let path = guest.bytes(path.0, path.1)?;
    let value = guest.bytes(value.0, value.1)?;
    let stream = guest.state().current_stream().ok_or(Status::NotFound)?;
    locked(&stream.flow).filter_state.insert(path, value);
    Ok(())
}
