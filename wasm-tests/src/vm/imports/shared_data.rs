//! Shared data.

use wasmtime::{Caller, Linker};

use crate::abi::{IMPORT_MODULE, Status};
use crate::process::shared::locked;
use crate::vm::guest::{Fault, Guest, answer};
use crate::vm::state::HostState;

type Call<'a> = Caller<'a, HostState>;

pub(super) fn add(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    linker.func_wrap(
        IMPORT_MODULE,
        "proxy_get_shared_data",
        |call: Call<'_>, key: u32, key_size: u32, value_to: u32, size_to: u32, cas_to: u32| {
            answer(get(
                &mut Guest(call),
                (key, key_size),
                (value_to, size_to),
                cas_to,
            ))
        },
    )?;
    linker.func_wrap(
        IMPORT_MODULE,
        "proxy_set_shared_data",
        |call: Call<'_>, key: u32, key_size: u32, value: u32, value_size: u32, cas: u32| {
            answer(set(&Guest(call), (key, key_size), (value, value_size), cas))
        },
    )?;
    Ok(())
}

fn get(guest: &mut Guest<'_>, key: (u32, u32), value_to: (u32, u32), cas_to: u32) -> Result<(), Fault> {
    let key = guest.bytes(key.0, key.1)?;
    let state = guest.state();
    let found = locked(&state.spec.shared.data).get(state.vm_id(), &key);
    let (value, cas) = found.ok_or(Status::NotFound)?;
    guest.hand_out(&value, value_to.0, value_to.1)?;
    guest.write(cas_to, &cas.to_le_bytes())
}

fn set(guest: &Guest<'_>, key: (u32, u32), value: (u32, u32), cas: u32) -> Result<(), Fault> {
    let key = guest.bytes(key.0, key.1)?;
    let value = guest.bytes(value.0, value.1)?;
    let state = guest.state();
    Ok(locked(&state.spec.shared.data).set(state.vm_id(), &key, value, cas)?)
}
