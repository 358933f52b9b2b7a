//! A VM's memory, as host functions see it.

use wasmtime::{Caller, Memory};

use crate::abi::Status;
use crate::vm::state::HostState;

/// The VM that is calling a host function.
pub(crate) struct Guest<'a>(pub(crate) Caller<'a, HostState>);

/// Why a host function did not do what it was asked.
pub(crate) enum Fault {
    /// The filter gets this answer.
    Status(Status),
    /// The filter's allocator trapped: so does the call.
    Trap(wasmtime::Error),
}

impl From<Status> for Fault {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

/// What the VM gets from a host function.
pub(crate) fn answer(result: Result<(), Fault>) -> wasmtime::Result<u32> {
    match result {
        Ok(()) => Ok(Status::Ok as u32),
        Err(Fault::Status(status)) => Ok(status as u32),
        Err(Fault::Trap(error)) => Err(error),
    }
}

impl Guest<'_> {
    pub(crate) fn state(&self) -> &HostState {
        self.0.data()
    }

    pub(crate) fn state_mut(&mut self) -> &mut HostState {
        self.0.data_mut()
    }

    /// A copy of `size` bytes of the VM's memory.
    pub(crate) fn bytes(&self, pointer: u32, size: u32) -> Result<Vec<u8>, Fault> {
        if size == 0 {
            return Ok(Vec::new());
        }
        let (start, size) = (index(pointer)?, index(size)?);
        let end = start.checked_add(size).ok_or(Status::InvalidMemoryAccess)?;
        let bytes = self.memory()?.data(&self.0).get(start..end);
        Ok(bytes.ok_or(Status::InvalidMemoryAccess)?.to_vec())
    }

    /// The 32-bit number at `pointer`.
    pub(crate) fn number(&self, pointer: u32) -> Result<u32, Fault> {
        let bytes = self.bytes(pointer, 4)?;
        let bytes = <[u8; 4]>::try_from(bytes).map_err(|_| Status::InvalidMemoryAccess)?;
        Ok(u32::from_le_bytes(bytes))
    }

    pub(crate) fn text(&self, pointer: u32, size: u32) -> Result<String, Fault> {
        Ok(String::from_utf8_lossy(&self.bytes(pointer, size)?).into_owned())
    }

    pub(crate) fn write(&mut self, pointer: u32, bytes: &[u8]) -> Result<(), Fault> {
        let memory = self.memory()?;
        let written = memory.write(&mut self.0, index(pointer)?, bytes);
        Ok(written.map_err(|_| Status::InvalidMemoryAccess)?)
    }

    /// Gives the VM a value: memory from its own allocator, whose address and size are written where it asked for
    /// them. An empty value is a null pointer.
    pub(crate) fn hand_out(&mut self, value: &[u8], pointer_to: u32, size_to: u32) -> Result<(), Fault> {
        let size = u32::try_from(value.len()).map_err(|_| Status::InvalidMemoryAccess)?;
        let address = if size == 0 { 0 } else { self.allocate(size)? };
        if size > 0 {
            self.write(address, value)?;
        }
        self.write(pointer_to, &address.to_le_bytes())?;
        self.write(size_to, &size.to_le_bytes())
    }

    fn allocate(&mut self, size: u32) -> Result<u32, Fault> {
        let malloc = self.state().malloc.clone().ok_or(Status::InvalidMemoryAccess)?;
        match malloc.call(&mut self.0, size).map_err(Fault::Trap)? {
            0 => Err(Status::InvalidMemoryAccess.into()),
            address => Ok(address),
        }
    }

    fn memory(&self) -> Result<Memory, Fault> {
        Ok(self.state().memory.ok_or(Status::InvalidMemoryAccess)?)
    }
}

fn index(value: u32) -> Result<usize, Fault> {
    Ok(usize::try_from(value).map_err(|_| Status::InvalidMemoryAccess)?)
}
