//! gRPC calls and streams.

use wasmtime::Linker;

use crate::abi::Status;
use crate::vm::state::HostState;

pub(super) fn add(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    host_functions!(linker, {
        proxy_grpc_call(_guest, _a: u32, _b: u32, _c: u32, _d: u32, _e: u32, _f: u32, _g: u32, _h: u32, _i: u32, _j: u32, _k: u32, _l: u32) => Err(Status::Unimplemented.into());
        proxy_grpc_stream(_guest, _a: u32, _b: u32, _c: u32, _d: u32, _e: u32, _f: u32, _g: u32, _h: u32, _i: u32) => Err(Status::Unimplemented.into());
        proxy_grpc_send(_guest, _a: u32, _b: u32, _c: u32, _d: u32) => Err(Status::Unimplemented.into());
        proxy_grpc_cancel(_guest, _a: u32) => Err(Status::Unimplemented.into());
        proxy_grpc_close(_guest, _a: u32) => Err(Status::Unimplemented.into());
    });
    Ok(())
}
