//! The functions that do nothing: what they answer, whatever they are asked.

use wasmtime::{Engine, FuncType, Linker, Val, ValType};

use crate::vm::imports::wasi::MODULE;
use crate::vm::imports::wasi::errno::Errno::{
    self, BadDescriptor, Exists, NoSuchFile, NotImplemented, NotSupported, Success,
};
use crate::vm::imports::wasi::output::Output;
use crate::vm::state::HostState;

use Answer::{Always, OfOutputs};

enum Answer {
    Always(Errno),
    /// Done when the first argument is stdout or stderr; there is no other descriptor.
    OfOutputs,
}

/// Name, parameters (i: 32 bits, I: 64 bits) and answer. `path_link` and `path_symlink` each have a parameter less
/// than in the standard, as in Envoy.
const FUNCTIONS: [(&str, &str, Answer); 33] = [
    ("args_get", "ii", Always(Success)),
    ("fd_advise", "iIIi", Always(Success)),
    ("fd_allocate", "iII", OfOutputs),
    ("fd_close", "i", Always(Success)),
    ("fd_datasync", "i", OfOutputs),
    ("fd_fdstat_set_flags", "ii", Always(NotImplemented)),
    ("fd_fdstat_set_rights", "iII", OfOutputs),
    ("fd_filestat_get", "ii", Always(BadDescriptor)),
    ("fd_filestat_set_size", "iI", OfOutputs),
    ("fd_filestat_set_times", "iIIi", OfOutputs),
    ("fd_pread", "iiiIi", Always(NotImplemented)),
    ("fd_prestat_dir_name", "iii", Always(NotImplemented)),
    ("fd_prestat_get", "ii", Always(BadDescriptor)),
    ("fd_read", "iiii", Always(NotImplemented)),
    ("fd_readdir", "iiiIi", Always(Exists)),
    ("fd_renumber", "ii", Always(BadDescriptor)),
    ("fd_seek", "iIii", Always(Success)),
    ("fd_sync", "i", OfOutputs),
    ("path_create_directory", "iii", Always(NotSupported)),
    ("path_filestat_get", "iiiii", Always(NotSupported)),
    ("path_filestat_set_times", "iiiiIIi", Always(NotSupported)),
    ("path_link", "iiiiii", Always(NotSupported)),
    ("path_open", "iiiiiIIii", Always(NoSuchFile)),
    ("path_readlink", "iiiiii", Always(NotSupported)),
    ("path_remove_directory", "iii", Always(NotSupported)),
    ("path_rename", "iiiiii", Always(NotSupported)),
    ("path_symlink", "iiii", Always(NotSupported)),
    ("path_unlink_file", "iii", Always(NotSupported)),
    ("sched_yield", "", Always(Success)),
    ("sock_accept", "iii", Always(NotSupported)),
    ("sock_recv", "iiiiii", Always(NotSupported)),
    ("sock_send", "iiiii", Always(NotSupported)),
    ("sock_shutdown", "ii", Always(NotSupported)),
];

pub(super) fn add(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    for (name, parameters, answer) in FUNCTIONS {
        let signature = signature(linker.engine(), parameters);
        linker.func_new(MODULE, name, signature, move |_, arguments, results| {
            results.fill(Val::I32(answer.to(arguments.first()) as i32));
            Ok(())
        })?;
    }
    Ok(())
}

fn signature(engine: &Engine, parameters: &str) -> FuncType {
    let parameters = parameters.chars().map(|kind| match kind {
        'I' => ValType::I64,
        _ => ValType::I32,
    });
    FuncType::new(engine, parameters, [ValType::I32])
}

impl Answer {
    fn to(&self, first: Option<&Val>) -> Errno {
        let descriptor = first.and_then(Val::i32).map(i32::cast_unsigned);
        match (self, descriptor.map(Output::try_from)) {
            (Always(errno), _) => *errno,
            (OfOutputs, Some(Ok(_))) => Success,
            (OfOutputs, _) => BadDescriptor,
        }
    }
}
