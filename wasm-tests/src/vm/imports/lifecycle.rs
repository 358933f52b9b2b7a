//! The end of a root context that had asked for time.

use wasmtime::{Caller, Linker};

use crate::abi::{IMPORT_MODULE, Status};
use crate::vm::context::Ending;
use crate::vm::guest::{Fault, Guest, answer};
use crate::vm::state::HostState;

pub(super) fn add(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    linker.func_wrap(IMPORT_MODULE, "proxy_done", |call: Caller<'_, HostState>| {
        answer(done(&mut Guest(call)))
    })?;
    Ok(())
}

fn done(guest: &mut Guest<'_>) -> Result<(), Fault> {
    let state = guest.state_mut();
    let current = state.current();
    match state.root_mut(current) {
        Some(root) if root.ending == Ending::Pending => {
            root.ending = Ending::Done;
            Ok(())
        }
        _ => Err(Status::NotFound.into()),
    }
}
