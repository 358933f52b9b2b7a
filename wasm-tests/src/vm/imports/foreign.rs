//! Foreign functions: Envoy's own that a host can offer, and those that the test gives.

use std::io::{Read, Write};

use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use prost::Message;
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
        // A route is looked up anew for every request that reaches the end of the chain; every property is text.
        (None, "clear_route_cache" | "declare_property") => Vec::new(),
        (None, "compress") => compress(&argument)?,
        (None, "uncompress") => uncompress(&argument)?,
        (None, "set_envoy_filter_state") => set_filter_state(guest.state(), &argument)?,
        _ => return Err(Status::NotFound.into()),
    };
    guest.hand_out(&result, to.0, to.1)
}

/// As zlib (RFC 1950).
fn compress(bytes: &[u8]) -> Result<Vec<u8>, Status> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.map_err(|_| Status::SerializationFailure)
}

fn uncompress(bytes: &[u8]) -> Result<Vec<u8>, Status> {
    let mut plain = Vec::new();
    let read = ZlibDecoder::new(bytes).read_to_end(&mut plain);
    read.map(|_| plain).map_err(|_| Status::SerializationFailure)
}

/// The filter state that tells Envoy's `tcp_proxy` which cluster to use.
const TCP_CLUSTER: &[u8] = b"envoy.tcp_proxy.cluster";

/// The keys of filter state that Envoy can make from bytes.
const KNOWN_KEYS: [&[u8]; 8] = [
    TCP_CLUSTER,
    b"envoy.tcp_proxy.per_connection_idle_timeout_ms",
    b"envoy.network.application_protocols",
    b"envoy.network.upstream_server_name",
    b"envoy.network.upstream_subject_alt_names",
    b"envoy.ratelimit.hits_addend",
    b"envoy.upstream.dynamic_host",
    b"envoy.upstream.dynamic_port",
];

/// The argument of `set_envoy_filter_state`.
///
/// Source: `source/extensions/common/wasm/ext/set_envoy_filter_state.proto` of Envoy.
#[derive(Clone, PartialEq, Message)]
struct SetEnvoyFilterState {
    #[prost(bytes = "vec", tag = "1")]
    path: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
    /// How long it lives; here always as long as the stream.
    #[prost(int32, tag = "3")]
    span: i32,
}

fn set_filter_state(state: &HostState, argument: &[u8]) -> Result<Vec<u8>, Status> {
    let argument = SetEnvoyFilterState::decode(argument).map_err(|_| Status::BadArgument)?;
    let stream = state.current_stream().ok_or(Status::NotFound)?;
    if !KNOWN_KEYS.contains(&argument.path.as_slice()) {
        return Err(Status::NotFound);
    }
    let mut flow = locked(&stream.flow);
    if argument.path == TCP_CLUSTER {
        flow.tcp_cluster = Some(String::from_utf8_lossy(&argument.value).into_owned());
    }
    flow.filter_state.insert(argument.path, argument.value);
    Ok(Vec::new())
}
