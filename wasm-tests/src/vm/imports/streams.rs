//! Answering, continuing and closing streams, also those of another context.

use wasmtime::Linker;

use crate::abi::{Direction, Protocol, Status, StreamType};
use crate::header_map::HeaderMap;
use crate::request::LocalResponse;
use crate::vm::effect::Effect;
use crate::vm::guest::{Fault, Guest};
use crate::vm::state::HostState;

pub(super) fn add(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    host_functions!(linker, {
        proxy_send_local_response(
            guest, status: u32, details: u32, details_size: u32, body: u32, body_size: u32, headers: u32,
            headers_size: u32, grpc_status: i32
        ) => {
            let reply = LocalResponse {
                status,
                headers: HeaderMap::from_pairs(&guest.bytes(headers, headers_size)?),
                body: guest.bytes(body, body_size)?,
                grpc_status: u32::try_from(grpc_status).ok(),
                details: guest.text(details, details_size)?,
            };
            send_local_response(guest, reply)
        };
        proxy_continue_stream(guest, stream: u32) => resume(guest, stream);
        proxy_close_stream(guest, stream: u32) => close(guest, stream);
        proxy_set_effective_context(guest, context: u32) => set_effective_context(guest, context);
    });
    Ok(())
}

/// The first answer of a callback counts. Outside of an HTTP stream there is nothing to answer: Envoy says Ok, too.
fn send_local_response(guest: &mut Guest<'_>, reply: LocalResponse) -> Result<(), Fault> {
    let state = guest.state_mut();
    let context = state.current();
    let protocol = state.stream(context).map(|stream| stream.protocol);
    state.stop_iteration |= protocol != Some(Protocol::Tcp);
    let answered =
        |effect: &Effect| matches!(effect, Effect::Reply { context: known, .. } if *known == context);
    if protocol == Some(Protocol::Http) && !state.effects.iter().any(answered) {
        state.effects.push_back(Effect::Reply { context, reply });
    }
    Ok(())
}

/// What the filter was holding is no longer its to see. A stream of the other kind is left as it is; data on its way to
/// a TCP client can't be continued.
fn resume(guest: &mut Guest<'_>, stream: u32) -> Result<(), Fault> {
    let StreamType { protocol, direction } = StreamType::try_from(stream)?;
    if (protocol, direction) == (Protocol::Tcp, Direction::Response) {
        return Err(Status::Unimplemented.into());
    }
    let state = guest.state_mut();
    let context = state.current();
    if let Some(stream) = state
        .stream_mut(context)
        .filter(|stream| stream.protocol == protocol)
    {
        let view = stream.view_mut(direction);
        view.headers = false;
        view.trailers = false;
        state.effects.push_back(Effect::Resume { context, direction });
    }
    Ok(())
}

/// Either direction is the whole stream.
fn close(guest: &mut Guest<'_>, stream: u32) -> Result<(), Fault> {
    let protocol = StreamType::try_from(stream)?.protocol;
    let state = guest.state_mut();
    let context = state.current();
    let current = state.stream(context).map(|stream| stream.protocol);
    state.stop_iteration |= current == Some(Protocol::Http) && protocol == Protocol::Http;
    if current == Some(protocol) {
        state.effects.push_back(Effect::Close { context });
    }
    Ok(())
}

/// 0: the context whose callback it is.
fn set_effective_context(guest: &mut Guest<'_>, context: u32) -> Result<(), Fault> {
    let state = guest.state_mut();
    if context != 0 && !state.contexts.contains_key(&context) {
        return Err(Status::BadArgument.into());
    }
    state.effective = context;
    Ok(())
}
