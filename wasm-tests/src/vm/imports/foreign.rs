//! Foreign functions: Envoy's own that a host can offer, and those that the test gives.

use wasmtime::Linker;

use crate::abi::Status;
use crate::process::shared::locked;
use crate::vm::guest::{Fault, Guest};
use crate::vm::state::HostState;

pub(super) fn add(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    host_functions!(linker, {
        proxy_call_foreign_function(
            guest, name: u32, name_size: u32, argument: u32, argument_size: u32, result_to: u32, size_to: u32
        ) => call(guest, (name, name_size), (argument, argument_size), (result_to, size_to));
    });
    Ok(())
}

fn call(guest: &mut Guest<'_>, name: (u32, u32), argument: (u32, u32), to: (u32, u32)) -> Result<(), Fault> {
    let name = guest.text(name.0, name.1)?;
    let argument = guest.bytes(argument.0, argument.1)?;
    let given = locked(&guest.state().shared().foreign_functions)
        .get(&name)
        .cloned();
    let result = match (given, name.as_str()) {
        (Some(function), _) => function(&argument)?,
        // A route is looked up anew for every request that reaches the end of the chain.
        (None, "clear_route_cache") => Vec::new(),
        (None, "set_envoy_filter_state") => set_filter_state(guest.state(), &argument)?,
        _ => return Err(Status::NotFound.into()),
    };
    guest.hand_out(&result, to.0, to.1)
}

/// The filter state that tells Envoy's `tcp_proxy` which cluster to use.
const TCP_CLUSTER: &[u8] = b"envoy.tcp_proxy.cluster";

/// The argument is a protobuf message: field 1 is the path, field 2 the value.
fn set_filter_state(state: &HostState, argument: &[u8]) -> Result<Vec<u8>, Status> {
    let stream = state.current_stream().ok_or(Status::BadArgument)?;
    let (mut path, mut value) = (Vec::new(), Vec::new());
    let mut rest = argument;
    while let Some((&tag, after)) = rest.split_first() {
        let (field, after) = take_field(tag, after).ok_or(Status::BadArgument)?;
        match tag >> 3 {
            1 => path = field.to_vec(),
            2 => value = field.to_vec(),
            _ => {}
        }
        rest = after;
    }
    let mut flow = locked(&stream.flow);
    if path == TCP_CLUSTER {
        flow.tcp_cluster = Some(String::from_utf8_lossy(&value).into_owned());
    }
    flow.filter_state.insert(path, value);
    Ok(Vec::new())
}

/// A field's bytes, and what follows: a varint (whose bytes are not looked at), or bytes with their length.
fn take_field(tag: u8, bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| byte & 0x80 == 0)? + 1;
    let (number, after) = bytes.split_at_checked(end)?;
    if tag & 0b111 == 0 {
        return Some((&[], after));
    }
    let length = number
        .iter()
        .rev()
        .fold(0_usize, |sum, byte| (sum << 7) | usize::from(byte & 0x7f));
    after.split_at_checked(length)
}
