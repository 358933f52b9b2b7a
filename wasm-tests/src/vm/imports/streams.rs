//! Answering, continuing and closing streams, also those of another context.

use wasmtime::Linker;

use crate::abi::{Direction, Status};
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

/// The first answer of a callback counts. Outside of a stream there is nothing to answer: Envoy says Ok, too.
fn send_local_response(guest: &mut Guest<'_>, reply: LocalResponse) -> Result<(), Fault> {
    let state = guest.state_mut();
    state.stop_iteration = true;
    let context = state.current();
    let answered =
        |effect: &Effect| matches!(effect, Effect::Reply { context: known, .. } if *known == context);
    if state.stream(context).is_some() && !state.effects.iter().any(answered) {
        state.effects.push_back(Effect::Reply { context, reply });
    }
    Ok(())
}

/// What the filter was holding is no longer its to see.
fn resume(guest: &mut Guest<'_>, stream: u32) -> Result<(), Fault> {
    let direction = direction(stream)?;
    let state = guest.state_mut();
    let context = state.current();
    if let Some(stream) = state.stream_mut(context) {
        let view = stream.view_mut(direction);
        view.headers = false;
        view.trailers = false;
        state.effects.push_back(Effect::Resume { context, direction });
    }
    Ok(())
}

fn close(guest: &mut Guest<'_>, stream: u32) -> Result<(), Fault> {
    direction(stream)?;
    let state = guest.state_mut();
    state.stop_iteration = true;
    let context = state.current();
    if state.stream(context).is_some() {
        state.effects.push_back(Effect::Close { context });
    }
    Ok(())
}

/// 0: the request, 1: the response, 2: from a TCP client, 3: to it.
fn direction(stream: u32) -> Result<Direction, Status> {
    match stream {
        0 | 2 => Ok(Direction::Request),
        1 | 3 => Ok(Direction::Response),
        _ => Err(Status::BadArgument),
    }
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
