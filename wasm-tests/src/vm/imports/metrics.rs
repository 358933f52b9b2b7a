//! Metrics.

use wasmtime::Linker;

use crate::abi::Status;
use crate::process::metrics::{MetricKey, MetricKind};
use crate::process::shared::locked;
use crate::vm::guest::{Fault, Guest};
use crate::vm::state::HostState;

/// As in Envoy, the two low bits of a metric's id are its kind.
const KIND_BITS: u32 = 2;

pub(super) fn add(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    host_functions!(linker, {
        proxy_define_metric(guest, kind: u32, name: u32, size: u32, id_to: u32) =>
            define(guest, kind, name, size, id_to);
        proxy_increment_metric(guest, id: u32, offset: i64) => increment(guest, id, offset);
        proxy_record_metric(guest, id: u32, value: u64) => record(guest, id, value);
        proxy_get_metric(guest, id: u32, value_to: u32) => get(guest, id, value_to);
    });
    Ok(())
}

/// Each kind's ids are counted from 1; a name that is defined again gets another id.
fn define(guest: &mut Guest<'_>, kind: u32, name: u32, size: u32, id_to: u32) -> Result<(), Fault> {
    let key = (MetricKind::try_from(kind)?, guest.text(name, size)?);
    let state = guest.state_mut();
    locked(&state.shared().metrics).define(&key);
    let of_kind = state.metrics.iter().filter(|known| known.0 == key.0).count();
    let place = u32::try_from(of_kind + 1).map_err(|_| Status::InternalFailure)?;
    state.metrics.push(key);
    guest.write(id_to, &((place << KIND_BITS) | kind).to_le_bytes())
}

/// Only counters and gauges can be incremented, whether or not there is such a one.
fn increment(guest: &Guest<'_>, id: u32, offset: i64) -> Result<(), Fault> {
    countable(id)?;
    let key = key(guest, id)?;
    Ok(locked(&guest.state().shared().metrics).increment(key, offset)?)
}

fn record(guest: &Guest<'_>, id: u32, value: u64) -> Result<(), Fault> {
    let key = key(guest, id)?;
    Ok(locked(&guest.state().shared().metrics).record(key, value)?)
}

fn get(guest: &mut Guest<'_>, id: u32, value_to: u32) -> Result<(), Fault> {
    countable(id)?;
    let key = key(guest, id)?;
    let value = locked(&guest.state().shared().metrics).get(key)?;
    guest.write(value_to, &value.to_le_bytes())
}

fn countable(id: u32) -> Result<(), Status> {
    match MetricKind::try_from(id & 0b11)? {
        MetricKind::Histogram => Err(Status::BadArgument),
        MetricKind::Counter | MetricKind::Gauge => Ok(()),
    }
}

fn key<'a>(guest: &'a Guest<'_>, id: u32) -> Result<&'a MetricKey, Status> {
    let kind = MetricKind::try_from(id & 0b11).map_err(|_| Status::NotFound)?;
    let place = usize::try_from(id >> KIND_BITS).map_err(|_| Status::NotFound)?;
    let mut of_kind = guest.state().metrics.iter().filter(|known| known.0 == kind);
    let before = place.checked_sub(1).ok_or(Status::NotFound)?;
    of_kind.nth(before).ok_or(Status::NotFound)
}
