//! Log lines.

use wasmtime::{Caller, Linker};

use crate::abi::{IMPORT_MODULE, LogLevel};
use crate::vm::guest::{Fault, Guest, answer};
use crate::vm::state::HostState;

type Call<'a> = Caller<'a, HostState>;

pub(super) fn add(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    linker.func_wrap(
        IMPORT_MODULE,
        "proxy_log",
        |call: Call<'_>, level: u32, text: u32, size: u32| answer(log(&Guest(call), level, text, size)),
    )?;
    linker.func_wrap(
        IMPORT_MODULE,
        "proxy_get_log_level",
        |call: Call<'_>, level_to: u32| {
            // Envoy's default level. Lines below it are kept nevertheless.
            answer(Guest(call).write(level_to, &(LogLevel::Info as u32).to_le_bytes()))
        },
    )?;
    Ok(())
}

fn log(guest: &Guest<'_>, level: u32, text: u32, size: u32) -> Result<(), Fault> {
    let level = LogLevel::try_from(level)?;
    let text = guest.bytes(text, size)?;
    guest.state().log(level, &text);
    Ok(())
}
