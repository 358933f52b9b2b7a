//! How far a process has heard: one value of shared data, `<slot>/events`.

use crate::error::HostError;
use crate::port::{SharedData, Version};

/// The first bytes of a cursor of this layout; an integer of eight bytes follows, little-endian.
const MAGIC: [u8; 8] = *b"weirevt1";

/// The cursor as it stood at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cursor {
    version: Option<Version>,
    /// What to ask with; none: what was heard is not known, for nothing was (or by another release, that noted it otherwise).
    pub(super) number: Option<u64>,
}

/// The key of a slot's cursor in shared data.
pub(super) fn key(slot: &str) -> String {
    format!("{slot}/events")
}

impl Cursor {
    pub(super) fn load(host: &impl SharedData, slot: &str) -> Result<Self, HostError> {
        let (bytes, version) = host.load(key(slot).as_bytes())?.unzip();
        let number = bytes.and_then(|bytes| {
            let number = bytes.strip_prefix(&MAGIC)?;
            Some(u64::from_le_bytes(number.try_into().ok()?))
        });
        Ok(Self { version, number })
    }

    /// Moves on to `number`, unless the cursor has moved since it was loaded.
    ///
    /// # Errors
    /// [`HostError::CasMismatch`] when it has.
    pub(super) fn advance(self, host: &impl SharedData, slot: &str, number: u64) -> Result<(), HostError> {
        let value = [MAGIC, number.to_le_bytes()].concat();
        host.store(key(slot).as_bytes(), &value, self.version)
    }
}
