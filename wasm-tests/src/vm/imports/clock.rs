//! The time, and timers.

use std::time::Duration;

use wasmtime::Linker;

use crate::abi::Status;
use crate::process::shared::nanoseconds;
use crate::vm::context::Timer;
use crate::vm::guest::{Fault, Guest};
use crate::vm::state::HostState;

pub(super) fn add(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    host_functions!(linker, {
        proxy_get_current_time_nanoseconds(guest, time_to: u32) => {
            let now = guest.state().shared().now();
            guest.write(time_to, &now.to_le_bytes())
        };
        proxy_set_tick_period_milliseconds(guest, milliseconds: u32) => set_tick_period(guest, milliseconds);
    });
    Ok(())
}

/// The timer belongs to the root context, also when a stream sets it; it starts anew; 0 stops it.
fn set_tick_period(guest: &mut Guest<'_>, milliseconds: u32) -> Result<(), Fault> {
    let state = guest.state_mut();
    let now = state.shared().steady();
    let root = state.current_root().and_then(|root| state.root_mut(root));
    let period = nanoseconds(Duration::from_millis(milliseconds.into()));
    root.ok_or(Status::BadArgument)?.timer = (period > 0).then_some(Timer {
        period,
        due: now.saturating_add(period),
    });
    Ok(())
}
