//! Buffers: bodies, answers of calls, and configurations.

use wasmtime::Linker;

use crate::abi::{BufferType, Status};
use crate::vm::grpc::GrpcEvent;
use crate::vm::guest::{Fault, Guest};
use crate::vm::state::HostState;

pub(super) fn add(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    host_functions!(linker, {
        proxy_get_buffer_bytes(guest, buffer: u32, start: u32, size: u32, bytes_to: u32, size_to: u32) =>
            get(guest, buffer, (start, size), (bytes_to, size_to));
        proxy_get_buffer_status(guest, buffer: u32, size_to: u32, flags_to: u32) =>
            status(guest, buffer, size_to, flags_to);
        proxy_set_buffer_bytes(guest, buffer: u32, start: u32, size: u32, bytes: u32, bytes_size: u32) =>
            set(guest, buffer, (start, size), (bytes, bytes_size));
    });
    Ok(())
}

/// What lies within the buffer; nothing at all is written to the VM when that is nothing.
fn get(guest: &mut Guest<'_>, buffer: u32, (start, size): (u32, u32), to: (u32, u32)) -> Result<(), Fault> {
    let content = content(guest.state(), BufferType::try_from(buffer)?)?;
    let part: Vec<u8> = content
        .iter()
        .copied()
        .skip(index(start)?)
        .take(index(size)?)
        .collect();
    if part.is_empty() {
        return Ok(());
    }
    guest.hand_out(&part, to.0, to.1)
}

fn status(guest: &mut Guest<'_>, buffer: u32, size_to: u32, flags_to: u32) -> Result<(), Fault> {
    let size = content(guest.state(), BufferType::try_from(buffer)?)?.len();
    let size = u32::try_from(size).map_err(|_| Status::InternalFailure)?;
    guest.write(size_to, &size.to_le_bytes())?;
    guest.write(flags_to, &0_u32.to_le_bytes())
}

fn set(guest: &mut Guest<'_>, buffer: u32, range: (u32, u32), bytes: (u32, u32)) -> Result<(), Fault> {
    let buffer = BufferType::try_from(buffer)?;
    let bytes = guest.bytes(bytes.0, bytes.1)?;
    let (start, size) = (index(range.0)?, index(range.1)?);
    let body = match (buffer, guest.state_mut().current_stream_mut()) {
        (BufferType::Stream(of), Some(stream)) => stream.buffer_mut(of),
        _ => None,
    };
    let Some(body) = body else {
        return Err(refusal(guest.state(), buffer).into());
    };
    Ok(splice(body, start, size, bytes)?)
}

/// What is there can't be changed; what is not there is not found, where Envoy has a buffer for it at other times.
fn refusal(state: &HostState, buffer: BufferType) -> Status {
    match buffer {
        BufferType::CallBody if state.answer.is_none() => Status::NotFound,
        BufferType::PluginConfiguration if state.configuring.is_none() => Status::NotFound,
        _ => Status::BadArgument,
    }
}

/// Envoy's rule: from the start, `size` bytes are replaced; from the end on, bytes are appended; between, it refuses.
fn splice(body: &mut Vec<u8>, start: usize, size: usize, bytes: Vec<u8>) -> Result<(), Status> {
    if start == 0 {
        let replaced = size.min(body.len());
        body.splice(..replaced, bytes);
    } else if start >= body.len() {
        body.extend(bytes);
    } else {
        return Err(Status::BadArgument);
    }
    Ok(())
}

fn content(state: &HostState, buffer: BufferType) -> Result<&[u8], Status> {
    let answer = state.answer.as_ref().map(|answer| answer.body.as_slice());
    match buffer {
        BufferType::Stream(of) => {
            let stream = state.current_stream();
            Ok(stream.and_then(|stream| stream.buffer(of)).unwrap_or_default())
        }
        BufferType::VmConfiguration => Ok(&state.spec.options.vm_configuration),
        BufferType::PluginConfiguration => state.configuring.as_deref().ok_or(Status::NotFound),
        BufferType::CallBody => answer.ok_or(Status::NotFound),
        BufferType::GrpcMessage => Ok(state.grpc.as_ref().map_or(&[], GrpcEvent::message)),
        BufferType::ForeignArguments => Ok(&[]),
    }
}

fn index(value: u32) -> Result<usize, Status> {
    usize::try_from(value).map_err(|_| Status::BadArgument)
}
