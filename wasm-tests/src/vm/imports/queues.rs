//! Shared queues: a queue is served by the root context that registered it last, in whichever VM that is.

use wasmtime::Linker;

use crate::abi::Status;
use crate::process::queues::Owner;
use crate::process::shared::locked;
use crate::vm::effect::Effect;
use crate::vm::guest::{Fault, Guest};
use crate::vm::state::HostState;

pub(super) fn add(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    host_functions!(linker, {
        proxy_register_shared_queue(guest, name: u32, size: u32, id_to: u32) => register(guest, name, size, id_to);
        proxy_resolve_shared_queue(guest, vm_id: u32, vm_id_size: u32, name: u32, size: u32, id_to: u32) =>
            resolve(guest, (vm_id, vm_id_size), (name, size), id_to);
        proxy_dequeue_shared_queue(guest, id: u32, bytes_to: u32, size_to: u32) =>
            dequeue(guest, id, bytes_to, size_to);
        proxy_enqueue_shared_queue(guest, id: u32, bytes: u32, size: u32) => enqueue(guest, id, bytes, size);
    });
    Ok(())
}

fn register(guest: &mut Guest<'_>, name: u32, size: u32, id_to: u32) -> Result<(), Fault> {
    let name = guest.bytes(name, size)?;
    let state = guest.state();
    let owner = Owner {
        worker: state.worker,
        vm: state.number,
        root: state.current_root().ok_or(Status::BadArgument)?,
    };
    let id = locked(&state.shared().queues).register(state.vm_id(), &name, owner);
    guest.write(id_to, &id.to_le_bytes())
}

/// An empty `vm_id` is the VM's own.
fn resolve(guest: &mut Guest<'_>, vm_id: (u32, u32), name: (u32, u32), id_to: u32) -> Result<(), Fault> {
    let vm_id = guest.text(vm_id.0, vm_id.1)?;
    let name = guest.bytes(name.0, name.1)?;
    let state = guest.state();
    let vm_id = if vm_id.is_empty() { state.vm_id() } else { &vm_id };
    let id = locked(&state.shared().queues).resolve(vm_id, &name);
    guest.write(id_to, &id.ok_or(Status::NotFound)?.to_le_bytes())
}

fn dequeue(guest: &mut Guest<'_>, id: u32, bytes_to: u32, size_to: u32) -> Result<(), Fault> {
    let item = locked(&guest.state().shared().queues).dequeue(id)?;
    guest.hand_out(&item, bytes_to, size_to)
}

fn enqueue(guest: &mut Guest<'_>, id: u32, bytes: u32, size: u32) -> Result<(), Fault> {
    let item = guest.bytes(bytes, size)?;
    locked(&guest.state().shared().queues).enqueue(id, item)?;
    guest
        .state_mut()
        .effects
        .push_back(Effect::Enqueued { queue: id });
    Ok(())
}
