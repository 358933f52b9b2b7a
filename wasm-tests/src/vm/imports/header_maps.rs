//! Header maps.

use wasmtime::Linker;

use crate::abi::{MapType, Status};
use crate::header_map::HeaderMap;
use crate::vm::guest::{Fault, Guest};
use crate::vm::state::HostState;

pub(super) fn add(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    host_functions!(linker, {
        proxy_get_header_map_value(guest, map: u32, name: u32, name_size: u32, value_to: u32, size_to: u32) =>
            get(guest, map, (name, name_size), (value_to, size_to));
        proxy_add_header_map_value(guest, map: u32, name: u32, name_size: u32, value: u32, value_size: u32) =>
            put(guest, map, (name, name_size), (value, value_size), HeaderMap::add_joined);
        proxy_replace_header_map_value(guest, map: u32, name: u32, name_size: u32, value: u32, value_size: u32) =>
            put(guest, map, (name, name_size), (value, value_size), |map, name, value| map.replace(name, value));
        proxy_remove_header_map_value(guest, map: u32, name: u32, name_size: u32) =>
            remove(guest, map, name, name_size);
        proxy_get_header_map_pairs(guest, map: u32, pairs_to: u32, size_to: u32) =>
            get_pairs(guest, map, pairs_to, size_to);
        proxy_set_header_map_pairs(guest, map: u32, pairs: u32, size: u32) => set_pairs(guest, map, pairs, size);
        proxy_get_header_map_size(guest, map: u32, size_to: u32) => get_size(guest, map, size_to);
    });
    Ok(())
}

/// The first value only, as in Envoy.
fn get(guest: &mut Guest<'_>, map: u32, name: (u32, u32), value_to: (u32, u32)) -> Result<(), Fault> {
    let map = MapType::try_from(map)?;
    let name = guest.text(name.0, name.1)?;
    let found = guest
        .state()
        .with_map(map, |headers| headers.get(&name).map(<[u8]>::to_vec));
    let absent = match guest.state().current_stream() {
        Some(stream) if stream.logging => Status::NotFound,
        _ => Status::BadArgument,
    };
    let value = found.ok_or(absent)?.ok_or(Status::NotFound)?;
    guest.hand_out(&value, value_to.0, value_to.1)
}

fn put(
    guest: &mut Guest<'_>,
    map: u32,
    name: (u32, u32),
    value: (u32, u32),
    change: impl FnOnce(&mut HeaderMap, &str, Vec<u8>),
) -> Result<(), Fault> {
    let map = MapType::try_from(map)?;
    let name = guest.text(name.0, name.1)?;
    let value = guest.bytes(value.0, value.1)?;
    Ok(guest
        .state_mut()
        .change_map(map, |headers| change(headers, &name, value))?)
}

fn remove(guest: &mut Guest<'_>, map: u32, name: u32, size: u32) -> Result<(), Fault> {
    let map = MapType::try_from(map)?;
    let name = guest.text(name, size)?;
    Ok(guest
        .state_mut()
        .change_map(map, |headers| headers.remove(&name))?)
}

/// A map that this callback can't see is an empty one here, where [`get`] answers BadArgument: so does Envoy.
fn get_pairs(guest: &mut Guest<'_>, map: u32, pairs_to: u32, size_to: u32) -> Result<(), Fault> {
    let map = MapType::try_from(map)?;
    let pairs = guest.state().with_map(map, HeaderMap::to_pairs);
    guest.hand_out(&pairs.unwrap_or_default(), pairs_to, size_to)
}

fn set_pairs(guest: &mut Guest<'_>, map: u32, pairs: u32, size: u32) -> Result<(), Fault> {
    let map = MapType::try_from(map)?;
    let pairs = HeaderMap::from_pairs(&guest.bytes(pairs, size)?);
    Ok(guest.state_mut().change_map(map, |headers| *headers = pairs)?)
}

/// The size in bytes, as in Envoy, not the number of headers; of a stream's maps only, and not in `proxy_on_log`.
fn get_size(guest: &mut Guest<'_>, map: u32, size_to: u32) -> Result<(), Fault> {
    let map = MapType::try_from(map)?;
    let of_stream = matches!(map, MapType::Headers(_) | MapType::Trailers(_));
    let logging = guest
        .state()
        .current_stream()
        .is_some_and(|stream| stream.logging);
    if logging || !of_stream {
        return Err(Status::BadArgument.into());
    }
    let size = guest
        .state()
        .with_map(map, HeaderMap::byte_size)
        .ok_or(Status::BadArgument)?;
    let size = u32::try_from(size).map_err(|_| Status::InternalFailure)?;
    guest.write(size_to, &size.to_le_bytes())
}
