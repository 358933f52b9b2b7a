//! Stdout and stderr: what is written there is logged.

use crate::abi::LogLevel;
use crate::vm::guest::Guest;
use crate::vm::imports::wasi::errno::Errno;

/// The descriptors that there are.
pub(super) enum Output {
    Stdout,
    Stderr,
}

impl TryFrom<u32> for Output {
    type Error = Errno;

    fn try_from(descriptor: u32) -> Result<Self, Errno> {
        match descriptor {
            1 => Ok(Self::Stdout),
            2 => Ok(Self::Stderr),
            _ => Err(Errno::BadDescriptor),
        }
    }
}

impl Output {
    fn level(&self) -> LogLevel {
        match self {
            Self::Stdout => LogLevel::Info,
            Self::Stderr => LogLevel::Error,
        }
    }
}

/// Logs all pieces as one line, without their last line feed; nothing at all when they are empty.
pub(super) fn write(
    guest: &mut Guest<'_>,
    descriptor: u32,
    pieces: (u32, u32),
    size_to: u32,
) -> Result<(), Errno> {
    let level = Output::try_from(descriptor)?.level();
    let text = gather(guest, pieces.0, pieces.1)?;
    if !text.is_empty() {
        guest
            .state()
            .log(level, text.strip_suffix(b"\n").unwrap_or(&text));
    }
    let size = u32::try_from(text.len()).map_err(|_| Errno::BadAddress)?;
    Ok(guest.write(size_to, &size.to_le_bytes())?)
}

/// As many bytes are written at once at most. Envoy has no limit; but pieces can overlap, so that a module could ask for
/// more than any host has.
const MOST: usize = 16 << 20;

/// The bytes of `count` pieces, each given by its address and its size.
fn gather(guest: &Guest<'_>, pieces: u32, count: u32) -> Result<Vec<u8>, Errno> {
    let mut text = Vec::new();
    for index in 0..count {
        let piece = index.checked_mul(8).and_then(|offset| pieces.checked_add(offset));
        let piece = piece.ok_or(Errno::BadAddress)?;
        let size = guest.number(piece.checked_add(4).ok_or(Errno::BadAddress)?)?;
        text.extend(guest.bytes(guest.number(piece)?, size)?);
        if text.len() > MOST {
            return Err(Errno::BadAddress);
        }
    }
    Ok(text)
}

/// What it is: the kind is unknown, all that it can do is to be written to. An address outside of memory is no error.
pub(super) fn describe(guest: &mut Guest<'_>, descriptor: u32, to: u32) -> Result<(), Errno> {
    Output::try_from(descriptor)?;
    let (kind_and_flags, right_to_write, inherited_rights) = (0_u64, 1_u64 << 6, 0_u64);
    let parts = [kind_and_flags, right_to_write, inherited_rights];
    let _ = guest.write(to, &parts.map(u64::to_le_bytes).concat());
    Ok(())
}

/// The position is always 0.
pub(super) fn tell(guest: &mut Guest<'_>, descriptor: u32, position_to: u32) -> Result<(), Errno> {
    Output::try_from(descriptor)?;
    Ok(guest.write(position_to, &0_u64.to_le_bytes())?)
}
