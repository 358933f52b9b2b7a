//! WASI preview 1, as far as Envoy offers it: clocks, random numbers, environment variables, stdout and stderr. There
//! are no files, no sockets and no arguments.
//!
//! Every function is there, and answers as in Envoy 1.40 (`src/exports.cc` of proxy-wasm-cpp-host).

mod environment;
mod errno;
mod fixed;
mod output;

use wasmtime::{Caller, Linker};

use crate::vm::guest::Guest;
use crate::vm::imports::wasi::errno::{Errno, answer};
use crate::vm::state::HostState;

/// The import module of preview 1.
const MODULE: &str = "wasi_snapshot_preview1";

/// The import module of the version before it; Envoy offers the same functions there.
const OLDER_MODULE: &str = "wasi_unstable";

/// How many random bytes one call gets at the most.
const MAX_RANDOM: usize = 64 << 10;

/// Defines functions: `name(guest, arguments) => what it does`.
macro_rules! wasi_functions {
    ($linker:expr, { $( $name:ident($guest:ident $(, $argument:ident: $type:ty)*) => $body:expr; )* }) => {
        $({
            $linker.func_wrap(
                MODULE,
                stringify!($name),
                |call: Caller<'_, HostState> $(, $argument: $type)*| {
                    let $guest = &mut Guest(call);
                    answer($body)
                },
            )?;
        })*
    };
}

pub(super) fn add(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    wasi_functions!(linker, {
        args_sizes_get(guest, count_to: u32, size_to: u32) => environment::no_sizes(guest, count_to, size_to);
        clock_res_get(guest, clock: u32, to: u32) => resolution(guest, clock, to);
        clock_time_get(guest, clock: u32, _precision: u64, to: u32) => time(guest, clock, to);
        environ_get(guest, addresses_to: u32, entries_to: u32) => environment::get(guest, addresses_to, entries_to);
        environ_sizes_get(guest, count_to: u32, size_to: u32) => environment::sizes(guest, count_to, size_to);
        fd_fdstat_get(guest, descriptor: u32, to: u32) => output::describe(guest, descriptor, to);
        fd_pwrite(guest, descriptor: u32, pieces: u32, count: u32, _offset: u64, size_to: u32) =>
            output::write(guest, descriptor, (pieces, count), size_to);
        fd_tell(guest, descriptor: u32, position_to: u32) => output::tell(guest, descriptor, position_to);
        fd_write(guest, descriptor: u32, pieces: u32, count: u32, size_to: u32) =>
            output::write(guest, descriptor, (pieces, count), size_to);
        poll_oneoff(guest, _subscriptions: u32, _events: u32, _count: u32, count_to: u32) => no_events(guest, count_to);
        random_get(guest, to: u32, size: u32) => random(guest, to, size);
    });
    // The module goes on after it.
    linker.func_wrap(MODULE, "proc_exit", |_code: u32| {})?;
    fixed::add(linker)?;
    linker.alias_module(MODULE, OLDER_MODULE)
}

/// Clock 0 is the wall clock, clock 1 the steady one; there are no others.
fn time(guest: &mut Guest<'_>, clock: u32, to: u32) -> Result<(), Errno> {
    let now = match clock {
        0 => guest.state().shared().now(),
        1 => guest.state().shared().steady(),
        _ => return Err(Errno::NotSupported),
    };
    Ok(guest.write(to, &now.to_le_bytes())?)
}

/// A nanosecond.
fn resolution(guest: &mut Guest<'_>, clock: u32, to: u32) -> Result<(), Errno> {
    match clock {
        0 | 1 => Ok(guest.write(to, &1_u64.to_le_bytes())?),
        _ => Err(Errno::NotSupported),
    }
}

/// Nothing is waited for, and nothing has happened.
fn no_events(guest: &mut Guest<'_>, count_to: u32) -> Result<(), Errno> {
    Ok(guest.write(count_to, &0_u32.to_le_bytes())?)
}

fn random(guest: &mut Guest<'_>, to: u32, size: u32) -> Result<(), Errno> {
    let size = usize::try_from(size).ok().filter(|size| *size <= MAX_RANDOM);
    let mut bytes = vec![0; size.ok_or(Errno::InvalidArgument)?];
    if bytes.is_empty() {
        return Ok(());
    }
    guest.state().shared().random.fill(&mut bytes);
    Ok(guest.write(to, &bytes)?)
}
