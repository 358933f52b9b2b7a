//! What WASI functions answer.

use crate::vm::guest::Fault;

/// The numbers of preview 1.
///
/// Source: <https://github.com/WebAssembly/WASI/blob/wasi-0.1/preview1/docs.md#errno>.
#[derive(Clone, Copy)]
#[repr(u16)]
pub(super) enum Errno {
    Success = 0,
    BadDescriptor = 8,
    Exists = 20,
    BadAddress = 21,
    InvalidArgument = 28,
    NoSuchFile = 44,
    NotImplemented = 52,
    NotSupported = 58,
}

/// All that can go wrong in the VM's memory while nothing is allocated there.
impl From<Fault> for Errno {
    fn from(_: Fault) -> Self {
        Self::BadAddress
    }
}

/// What the VM gets.
pub(super) fn answer(result: Result<(), Errno>) -> u32 {
    result.err().unwrap_or(Errno::Success) as u32
}
