//! Answering and continuing streams, also those of another context.

use wasmtime::{Caller, Linker};

use crate::abi::{IMPORT_MODULE, Status};
use crate::header_map::HeaderMap;
use crate::request::LocalResponse;
use crate::vm::guest::{Fault, Guest, answer};
use crate::vm::state::HostState;

type Call<'a> = Caller<'a, HostState>;

/// Where the parts of a local response lie in the VM's memory: address and size.
struct ResponseParts {
    status: u32,
    details: (u32, u32),
    body: (u32, u32),
    headers: (u32, u32),
    grpc_status: i32,
}

pub(super) fn add(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    add_local_response(linker)?;
    linker.func_wrap(
        IMPORT_MODULE,
        "proxy_continue_stream",
        |call: Call<'_>, direction: u32| answer(resume(&mut Guest(call), direction)),
    )?;
    linker.func_wrap(
        IMPORT_MODULE,
        "proxy_set_effective_context",
        |call: Call<'_>, context: u32| answer(set_effective_context(&mut Guest(call), context)),
    )?;
    Ok(())
}

fn add_local_response(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    linker.func_wrap(
        IMPORT_MODULE,
        "proxy_send_local_response",
        |call: Call<'_>,
         status: u32,
         details: u32,
         details_size: u32,
         body: u32,
         body_size: u32,
         headers: u32,
         headers_size: u32,
         grpc_status: i32| {
            let parts = ResponseParts {
                status,
                details: (details, details_size),
                body: (body, body_size),
                headers: (headers, headers_size),
                grpc_status,
            };
            answer(send_local_response(&mut Guest(call), &parts))
        },
    )?;
    Ok(())
}

/// The first response of a stream counts. Outside of a stream there is nothing to answer: Envoy says Ok, too.
fn send_local_response(guest: &mut Guest<'_>, parts: &ResponseParts) -> Result<(), Fault> {
    let response = LocalResponse {
        status: parts.status,
        headers: HeaderMap::from_pairs(&guest.bytes(parts.headers.0, parts.headers.1)?),
        body: guest.bytes(parts.body.0, parts.body.1)?,
        grpc_status: u32::try_from(parts.grpc_status).ok(),
        details: guest.text(parts.details.0, parts.details.1)?,
    };
    if let Some(stream) = guest.state_mut().current_stream_mut() {
        stream.local_response.get_or_insert(response);
    }
    Ok(())
}

/// 0: the request, 1: the response; TCP streams are refused, as in Envoy.
fn resume(guest: &mut Guest<'_>, direction: u32) -> Result<(), Fault> {
    if direction > 1 {
        return Err(Status::BadArgument.into());
    }
    if let Some(stream) = guest.state_mut().current_stream_mut() {
        let message = match direction {
            0 => &mut stream.request,
            _ => &mut stream.response,
        };
        message.paused = false;
        message.continued = true;
        message.visible = false;
    }
    Ok(())
}

fn set_effective_context(guest: &mut Guest<'_>, context: u32) -> Result<(), Fault> {
    let state = guest.state_mut();
    if !state.contexts.contains_key(&context) {
        return Err(Status::BadArgument.into());
    }
    state.effective = context;
    Ok(())
}
