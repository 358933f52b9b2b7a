//! Header maps.

use wasmtime::{Caller, Linker};

use crate::abi::{IMPORT_MODULE, MapType, Status};
use crate::header_map::HeaderMap;
use crate::vm::guest::{Fault, Guest, answer};
use crate::vm::state::HostState;

type Call<'a> = Caller<'a, HostState>;

pub(super) fn add(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    add_single_values(linker)?;
    linker.func_wrap(
        IMPORT_MODULE,
        "proxy_get_header_map_pairs",
        |call: Call<'_>, map: u32, pairs_to: u32, size_to: u32| {
            answer(get_pairs(&mut Guest(call), map, pairs_to, size_to))
        },
    )?;
    linker.func_wrap(
        IMPORT_MODULE,
        "proxy_set_header_map_pairs",
        |call: Call<'_>, map: u32, pairs: u32, size: u32| {
            answer(set_pairs(&mut Guest(call), map, pairs, size))
        },
    )?;
    linker.func_wrap(
        IMPORT_MODULE,
        "proxy_get_header_map_size",
        |call: Call<'_>, map: u32, size_to: u32| answer(get_size(&mut Guest(call), map, size_to)),
    )?;
    Ok(())
}

fn add_single_values(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    linker.func_wrap(
        IMPORT_MODULE,
        "proxy_get_header_map_value",
        |call: Call<'_>, map: u32, name: u32, name_size: u32, value_to: u32, size_to: u32| {
            answer(get(&mut Guest(call), map, (name, name_size), (value_to, size_to)))
        },
    )?;
    linker.func_wrap(
        IMPORT_MODULE,
        "proxy_add_header_map_value",
        |call: Call<'_>, map: u32, name: u32, name_size: u32, value: u32, value_size: u32| {
            let add = |map: &mut HeaderMap, name: &str, value| map.add(name, value);
            answer(put(
                &mut Guest(call),
                map,
                (name, name_size),
                (value, value_size),
                add,
            ))
        },
    )?;
    linker.func_wrap(
        IMPORT_MODULE,
        "proxy_replace_header_map_value",
        |call: Call<'_>, map: u32, name: u32, name_size: u32, value: u32, value_size: u32| {
            let replace = |map: &mut HeaderMap, name: &str, value| map.replace(name, value);
            answer(put(
                &mut Guest(call),
                map,
                (name, name_size),
                (value, value_size),
                replace,
            ))
        },
    )?;
    linker.func_wrap(
        IMPORT_MODULE,
        "proxy_remove_header_map_value",
        |call: Call<'_>, map: u32, name: u32, name_size: u32| {
            answer(remove(&mut Guest(call), map, name, name_size))
        },
    )?;
    Ok(())
}

/// The first value only, as in Envoy.
fn get(guest: &mut Guest<'_>, map: u32, name: (u32, u32), value_to: (u32, u32)) -> Result<(), Fault> {
    let map = MapType::try_from(map)?;
    let name = guest.text(name.0, name.1)?;
    let headers = guest.state().map(map).ok_or(Status::BadArgument)?;
    let value = headers.get(&name).ok_or(Status::NotFound)?.to_vec();
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
    change(guest.state_mut().map_mut(map)?, &name, value);
    Ok(())
}

fn remove(guest: &mut Guest<'_>, map: u32, name: u32, size: u32) -> Result<(), Fault> {
    let map = MapType::try_from(map)?;
    let name = guest.text(name, size)?;
    guest.state_mut().map_mut(map)?.remove(&name);
    Ok(())
}

/// A map that this callback can't see is an empty one here, where [`get`] answers BadArgument: so does Envoy.
fn get_pairs(guest: &mut Guest<'_>, map: u32, pairs_to: u32, size_to: u32) -> Result<(), Fault> {
    let map = MapType::try_from(map)?;
    let pairs = guest.state().map(map).map(HeaderMap::to_pairs);
    guest.hand_out(&pairs.unwrap_or_default(), pairs_to, size_to)
}

fn set_pairs(guest: &mut Guest<'_>, map: u32, pairs: u32, size: u32) -> Result<(), Fault> {
    let map = MapType::try_from(map)?;
    let pairs = HeaderMap::from_pairs(&guest.bytes(pairs, size)?);
    *guest.state_mut().map_mut(map)? = pairs;
    Ok(())
}

/// The size in bytes, as in Envoy, not the number of headers.
fn get_size(guest: &mut Guest<'_>, map: u32, size_to: u32) -> Result<(), Fault> {
    let map = MapType::try_from(map)?;
    let headers = guest.state().map(map).ok_or(Status::BadArgument)?;
    let size = u32::try_from(headers.byte_size()).map_err(|_| Status::InternalFailure)?;
    guest.write(size_to, &size.to_le_bytes())
}
