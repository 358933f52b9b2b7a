//! Metrics.

use wasmtime::{Caller, Linker};

use crate::abi::{IMPORT_MODULE, Status};
use crate::process::metrics::{MetricKey, MetricKind};
use crate::process::shared::locked;
use crate::vm::guest::{Fault, Guest, answer};
use crate::vm::state::HostState;

type Call<'a> = Caller<'a, HostState>;

/// As in Envoy, the two low bits of a metric's id are its kind.
const KIND_BITS: u32 = 2;

pub(super) fn add(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    linker.func_wrap(
        IMPORT_MODULE,
        "proxy_define_metric",
        |call: Call<'_>, kind: u32, name: u32, size: u32, id_to: u32| {
            answer(define(&mut Guest(call), kind, name, size, id_to))
        },
    )?;
    linker.func_wrap(
        IMPORT_MODULE,
        "proxy_increment_metric",
        |call: Call<'_>, id: u32, offset: i64| answer(increment(&Guest(call), id, offset)),
    )?;
    linker.func_wrap(
        IMPORT_MODULE,
        "proxy_record_metric",
        |call: Call<'_>, id: u32, value: u64| answer(record(&Guest(call), id, value)),
    )?;
    linker.func_wrap(
        IMPORT_MODULE,
        "proxy_get_metric",
        |call: Call<'_>, id: u32, value_to: u32| answer(get(&mut Guest(call), id, value_to)),
    )?;
    Ok(())
}

fn define(guest: &mut Guest<'_>, kind: u32, name: u32, size: u32, id_to: u32) -> Result<(), Fault> {
    let key = (MetricKind::try_from(kind)?, guest.text(name, size)?);
    let state = guest.state_mut();
    locked(&state.spec.shared.metrics).define(&key);
    let place = u32::try_from(state.metrics.len()).map_err(|_| Status::InternalFailure)?;
    state.metrics.push(key);
    guest.write(id_to, &((place << KIND_BITS) | kind).to_le_bytes())
}

fn increment(guest: &Guest<'_>, id: u32, offset: i64) -> Result<(), Fault> {
    let key = key(guest, id)?;
    Ok(locked(&guest.state().spec.shared.metrics).increment(key, offset)?)
}

fn record(guest: &Guest<'_>, id: u32, value: u64) -> Result<(), Fault> {
    let key = key(guest, id)?;
    Ok(locked(&guest.state().spec.shared.metrics).record(key, value)?)
}

fn get(guest: &mut Guest<'_>, id: u32, value_to: u32) -> Result<(), Fault> {
    let key = key(guest, id)?;
    let value = locked(&guest.state().spec.shared.metrics).get(key)?;
    guest.write(value_to, &value.to_le_bytes())
}

fn key<'a>(guest: &'a Guest<'_>, id: u32) -> Result<&'a MetricKey, Status> {
    let place = usize::try_from(id >> KIND_BITS).map_err(|_| Status::NotFound)?;
    let kind = MetricKind::try_from(id & 0b11)?;
    let key = guest.state().metrics.get(place).filter(|key| key.0 == kind);
    key.ok_or(Status::NotFound)
}
