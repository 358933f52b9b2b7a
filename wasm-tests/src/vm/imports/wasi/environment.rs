//! The environment variables of the VM.

use crate::vm::guest::Guest;
use crate::vm::imports::wasi::errno::Errno;
use crate::vm::state::HostState;

/// Writes the addresses of the entries to `addresses_to`, and the entries to `entries_to`.
pub(super) fn get(guest: &mut Guest<'_>, addresses_to: u32, entries_to: u32) -> Result<(), Errno> {
    let (mut address_to, mut entry_to) = (addresses_to, entries_to);
    for entry in entries(guest.state()) {
        guest.write(address_to, &entry_to.to_le_bytes())?;
        guest.write(entry_to, &entry)?;
        address_to = after(address_to, 4)?;
        entry_to = after(entry_to, entry.len())?;
    }
    Ok(())
}

/// How many entries there are, and their size together.
pub(super) fn sizes(guest: &mut Guest<'_>, count_to: u32, size_to: u32) -> Result<(), Errno> {
    let entries = entries(guest.state());
    write_size(guest, count_to, entries.len())?;
    write_size(guest, size_to, entries.concat().len())
}

/// Both numbers are 0.
pub(super) fn no_sizes(guest: &mut Guest<'_>, count_to: u32, size_to: u32) -> Result<(), Errno> {
    write_size(guest, count_to, 0)?;
    write_size(guest, size_to, 0)
}

/// `name=value` and a zero byte, each.
fn entries(state: &HostState) -> Vec<Vec<u8>> {
    let variables = state.spec.options.environment.iter();
    variables
        .map(|(name, value)| format!("{name}={value}\0").into_bytes())
        .collect()
}

fn write_size(guest: &mut Guest<'_>, to: u32, size: usize) -> Result<(), Errno> {
    let size = u32::try_from(size).map_err(|_| Errno::BadAddress)?;
    Ok(guest.write(to, &size.to_le_bytes())?)
}

fn after(address: u32, size: usize) -> Result<u32, Errno> {
    let size = u32::try_from(size).map_err(|_| Errno::BadAddress)?;
    address.checked_add(size).ok_or(Errno::BadAddress)
}
