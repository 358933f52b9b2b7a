//! gRPC calls and streams. Both belong to the root context, whoever makes them.

use std::time::Duration;

use wasmtime::Linker;

use crate::abi::Status;
use crate::error::HostError;
use crate::grpc_frames::frame;
use crate::header_map::HeaderMap;
use crate::process::shared::locked;
use crate::vm::effect::Effect;
use crate::vm::grpc::{GrpcStart, GrpcState, GrpcStep};
use crate::vm::grpc_service::{GrpcService, Naming, Target};
use crate::vm::guest::{Fault, Guest};
use crate::vm::state::HostState;

pub(super) fn add(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    host_functions!(linker, {
        proxy_grpc_call(
            guest, upstream: u32, upstream_size: u32, service: u32, service_size: u32, method: u32, method_size: u32,
            metadata: u32, metadata_size: u32, message: u32, message_size: u32, timeout: u32, token_to: u32
        ) => {
            let opening = Opening {
                upstream: guest.bytes(upstream, upstream_size)?,
                path: path(guest, (service, service_size), (method, method_size))?,
                metadata: HeaderMap::from_pairs(&guest.bytes(metadata, metadata_size)?),
                unary: Some((guest.bytes(message, message_size)?, Duration::from_millis(timeout.into()))),
            };
            open(guest, opening, token_to)
        };
        proxy_grpc_stream(
            guest, upstream: u32, upstream_size: u32, service: u32, service_size: u32, method: u32, method_size: u32,
            metadata: u32, metadata_size: u32, token_to: u32
        ) => {
            let opening = Opening {
                upstream: guest.bytes(upstream, upstream_size)?,
                path: path(guest, (service, service_size), (method, method_size))?,
                metadata: HeaderMap::from_pairs(&guest.bytes(metadata, metadata_size)?),
                unary: None,
            };
            open(guest, opening, token_to)
        };
        proxy_grpc_send(guest, token: u32, message: u32, size: u32, end: u32) => {
            let bytes = frame(&guest.bytes(message, size)?);
            send(guest.state_mut(), token, bytes, end != 0)
        };
        proxy_grpc_cancel(guest, token: u32) => cancel(guest.state_mut(), token);
        proxy_grpc_close(guest, token: u32) => close(guest.state_mut(), token);
    });
    Ok(())
}

/// The kinds of tokens.
const CALL: u32 = 1;
const STREAM: u32 = 2;

/// What a filter asks for.
struct Opening {
    upstream: Vec<u8>,
    path: String,
    metadata: HeaderMap,
    /// The message and the timeout of a call; none: a stream.
    unary: Option<(Vec<u8>, Duration)>,
}

fn path(guest: &Guest<'_>, service: (u32, u32), method: (u32, u32)) -> Result<String, Fault> {
    let service = guest.text(service.0, service.1)?;
    Ok(format!("/{service}/{}", guest.text(method.0, method.1)?))
}

fn open(guest: &mut Guest<'_>, opening: Opening, token_to: u32) -> Result<(), Fault> {
    let state = guest.state_mut();
    let naming = GrpcService::read(&opening.upstream, |name| state.shared().has_cluster(name))?;
    let Naming::Cluster(target) = naming else {
        return Err(crash(state, "to call a gRPC service that names no cluster").into());
    };
    let root = state.current_root().ok_or(Status::BadArgument)?;
    let token = state.next_token(if opening.unary.is_some() { CALL } else { STREAM });
    if let Some(problem) = unreachable(state, &target.cluster, opening.unary.is_some())? {
        push(state, root, token, GrpcStep::Fail(problem));
        return Err(Status::InternalFailure.into());
    }
    if let Some(root) = state.root_mut(root) {
        root.grpc.insert(token, GrpcState::default());
    }
    push(state, root, token, GrpcStep::Start(start(target, opening)));
    guest.write(token_to, &token.to_le_bytes())
}

/// What the filter is told of a cluster that is not there, or has no host.
fn unreachable(state: &HostState, cluster: &str, unary: bool) -> Result<Option<&'static str>, Status> {
    let shared = state.shared();
    if !shared.has_cluster(cluster) {
        return Ok(Some("Cluster not available"));
    }
    if locked(&shared.clusters).host_count(cluster) > 0 {
        return Ok(None);
    }
    if !unary {
        return Err(crash(state, "to open a gRPC stream to a cluster without hosts"));
    }
    Ok(Some("no healthy upstream{no_healthy_upstream}"))
}

fn crash(state: &HostState, what: &'static str) -> Status {
    locked(&state.shared().traps).push(HostError::Crash { what });
    Status::InternalFailure
}

fn start(target: Target, opening: Opening) -> GrpcStart {
    let mut headers: HeaderMap = [
        (":method", "POST"),
        (":path", &opening.path),
        (":authority", &target.authority),
        ("te", "trailers"),
        ("x-envoy-internal", "true"),
    ]
    .into_iter()
    .collect();
    if let Some((_, timeout)) = &opening.unary {
        headers.add("grpc-timeout", grpc_timeout(*timeout));
    }
    headers.add("content-type", "application/grpc");
    for (name, value) in target.metadata.iter().chain(opening.metadata.iter()) {
        headers.add(name, value);
    }
    let (message, timeout) = opening.unary.unzip();
    GrpcStart {
        cluster: target.cluster,
        headers,
        message,
        timeout: timeout.unwrap_or_default(),
    }
}

/// At most eight digits: milliseconds, else seconds.
fn grpc_timeout(timeout: Duration) -> String {
    match timeout.as_millis() {
        milliseconds @ ..100_000_000 => format!("{milliseconds}m"),
        milliseconds => format!("{}S", milliseconds / 1_000),
    }
}

fn send(state: &mut HostState, token: u32, bytes: Vec<u8>, end: bool) -> Result<(), Fault> {
    require(token & 0b11 == STREAM)?;
    let (root, call) = find(state, token)?;
    if call.closed_there {
        return Err(crash(state, "to send on a gRPC stream that has ended").into());
    }
    push(state, root, token, GrpcStep::Send { bytes, end });
    Ok(())
}

/// Ends this side of a stream; the other side can still send. A call is given up.
fn close(state: &mut HostState, token: u32) -> Result<(), Fault> {
    if token & 0b11 != STREAM {
        return cancel(state, token);
    }
    let (root, call) = find(state, token)?;
    forget_or(state, root, token, call.closed_there, |call| {
        call.closed_here = true
    });
    let bytes = Vec::new();
    push(state, root, token, GrpcStep::Send { bytes, end: true });
    Ok(())
}

/// Gives a call or a stream up: the filter hears nothing more of it.
fn cancel(state: &mut HostState, token: u32) -> Result<(), Fault> {
    require(matches!(token & 0b11, CALL | STREAM))?;
    let (root, _) = find(state, token)?;
    forget_or(state, root, token, true, |_| ());
    push(state, root, token, GrpcStep::Reset);
    Ok(())
}

fn require(condition: bool) -> Result<(), Status> {
    if condition {
        Ok(())
    } else {
        Err(Status::BadArgument)
    }
}

/// The current root context and what it knows of a token.
fn find(state: &HostState, token: u32) -> Result<(u32, GrpcState), Status> {
    let root = state.current_root().ok_or(Status::NotFound)?;
    let call = state.root(root).and_then(|root| root.grpc.get(&token));
    Ok((root, *call.ok_or(Status::NotFound)?))
}

fn forget_or(
    state: &mut HostState,
    root: u32,
    token: u32,
    forget: bool,
    change: impl FnOnce(&mut GrpcState),
) {
    let Some(root) = state.root_mut(root) else {
        return;
    };
    if forget {
        root.grpc.remove(&token);
    } else if let Some(call) = root.grpc.get_mut(&token) {
        change(call);
    }
}

fn push(state: &mut HostState, root: u32, token: u32, step: GrpcStep) {
    state.effects.push_back(Effect::Grpc { root, token, step });
}
