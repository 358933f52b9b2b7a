//! The end of a root context that had asked for time.

use wasmtime::Linker;

use crate::abi::Status;
use crate::vm::context::Ending;
use crate::vm::guest::{Fault, Guest};
use crate::vm::state::HostState;

pub(super) fn add(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    host_functions!(linker, {
        proxy_done(guest) => done(guest);
    });
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
