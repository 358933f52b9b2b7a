//! The time, and timers.

use std::time::Duration;

use wasmtime::{Caller, Linker};

use crate::abi::{IMPORT_MODULE, Status};
use crate::process::shared::nanoseconds;
use crate::vm::guest::{Fault, Guest, answer};
use crate::vm::state::{HostState, Timer};

type Call<'a> = Caller<'a, HostState>;

pub(super) fn add(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    linker.func_wrap(
        IMPORT_MODULE,
        "proxy_get_current_time_nanoseconds",
        |call: Call<'_>, time_to: u32| {
            let mut guest = Guest(call);
            let now = guest.state().spec.shared.now();
            answer(guest.write(time_to, &now.to_le_bytes()))
        },
    )?;
    linker.func_wrap(
        IMPORT_MODULE,
        "proxy_set_tick_period_milliseconds",
        |call: Call<'_>, milliseconds: u32| answer(set_tick_period(&mut Guest(call), milliseconds)),
    )?;
    Ok(())
}

/// The timer belongs to the root context, also when a stream sets it; it starts anew; 0 stops it.
fn set_tick_period(guest: &mut Guest<'_>, milliseconds: u32) -> Result<(), Fault> {
    let state = guest.state_mut();
    let root = state.current_root().ok_or(Status::BadArgument)?;
    let period = nanoseconds(Duration::from_millis(milliseconds.into()));
    if period == 0 {
        state.timers.remove(&root);
    } else {
        let due = state.spec.shared.now().saturating_add(period);
        state.timers.insert(root, Timer { period, due });
    }
    Ok(())
}
