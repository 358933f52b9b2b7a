//! Shared data.

use wasmtime::Linker;

use crate::abi::Status;
use crate::process::shared::locked;
use crate::vm::guest::{Fault, Guest};
use crate::vm::state::HostState;

pub(super) fn add(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    host_functions!(linker, {
        proxy_get_shared_data(guest, key: u32, key_size: u32, value_to: u32, size_to: u32, cas_to: u32) =>
            get(guest, (key, key_size), (value_to, size_to), cas_to);
        proxy_set_shared_data(guest, key: u32, key_size: u32, value: u32, value_size: u32, cas: u32) =>
            set(guest, (key, key_size), (value, value_size), cas);
    });
    Ok(())
}

fn get(guest: &mut Guest<'_>, key: (u32, u32), value_to: (u32, u32), cas_to: u32) -> Result<(), Fault> {
    let key = guest.bytes(key.0, key.1)?;
    let state = guest.state();
    let found = locked(&state.shared().data).get(state.vm_id(), &key);
    let (value, cas) = found.ok_or(Status::NotFound)?;
    guest.hand_out(&value, value_to.0, value_to.1)?;
    guest.write(cas_to, &cas.to_le_bytes())
}

fn set(guest: &Guest<'_>, key: (u32, u32), value: (u32, u32), cas: u32) -> Result<(), Fault> {
    let key = guest.bytes(key.0, key.1)?;
    let value = guest.bytes(value.0, value.1)?;
    let state = guest.state();
    Ok(locked(&state.shared().data).set(state.vm_id(), &key, value, cas)?)
}
