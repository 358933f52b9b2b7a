//! What code built by Emscripten imports from the ABI's own import module.

use wasmtime::Linker;

use crate::abi::IMPORT_MODULE;
use crate::vm::state::HostState;

pub(super) fn add(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    linker.func_wrap(
        IMPORT_MODULE,
        "emscripten_notify_memory_growth",
        |_memory: u32| {},
    )?;
    linker.func_wrap(IMPORT_MODULE, "pthread_equal", |left: u32, right: u32| {
        u32::from(left == right)
    })?;
    Ok(())
}
