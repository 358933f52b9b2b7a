//! The parts of the ABI that this host does not offer: calls, queues, gRPC, foreign functions, resetting streams.
//!
//! They can be linked, so that any module loads, and answer [`Status::Unimplemented`]. The Rust SDK panics on that
//! answer, so a filter that needs one of them traps instead of passing a test by accident.

use wasmtime::{FuncType, Linker, Val, ValType};

use crate::abi::{IMPORT_MODULE, Status};
use crate::vm::state::HostState;

/// The functions, and how many 32-bit parameters each has.
const FUNCTIONS: [(&str, usize); 13] = [
    ("proxy_call_foreign_function", 6),
    ("proxy_close_stream", 1),
    ("proxy_dequeue_shared_queue", 3),
    ("proxy_enqueue_shared_queue", 3),
    ("proxy_get_status", 3),
    ("proxy_grpc_call", 12),
    ("proxy_grpc_cancel", 1),
    ("proxy_grpc_close", 1),
    ("proxy_grpc_send", 4),
    ("proxy_grpc_stream", 9),
    ("proxy_http_call", 10),
    ("proxy_register_shared_queue", 3),
    ("proxy_resolve_shared_queue", 5),
];

pub(super) fn add(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    for (name, parameters) in FUNCTIONS {
        let parameters = std::iter::repeat_n(ValType::I32, parameters);
        let signature = FuncType::new(linker.engine(), parameters, [ValType::I32]);
        linker.func_new(IMPORT_MODULE, name, signature, |_, _, results| {
            results.fill(Val::I32(Status::Unimplemented as i32));
            Ok(())
        })?;
    }
    Ok(())
}
