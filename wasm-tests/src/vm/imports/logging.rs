//! Log lines.

use wasmtime::Linker;

use crate::abi::LogLevel;
use crate::process::shared::locked;
use crate::vm::guest::{Fault, Guest};
use crate::vm::state::HostState;

pub(super) fn add(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    host_functions!(linker, {
        proxy_log(guest, level: u32, text: u32, size: u32) => log(guest, level, text, size);
        proxy_get_log_level(guest, level_to: u32) => {
            let level = *locked(&guest.state().shared().log_level);
            guest.write(level_to, &(level as u32).to_le_bytes())
        };
    });
    Ok(())
}

fn log(guest: &Guest<'_>, level: u32, text: u32, size: u32) -> Result<(), Fault> {
    let level = LogLevel::try_from(level)?;
    let text = guest.bytes(text, size)?;
    guest.state().log(level, &text);
    Ok(())
}
