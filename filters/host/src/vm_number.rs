//! Which of its process's VMs this is.

use std::cell::Cell;

use crate::error::HostError;
use crate::port::SharedData;

/// How often a compare-and-set is tried.
const ATTEMPTS: usize = 32;

/// The number of a VM, once it has one: no other VM of the process has or had it.
#[derive(Debug, Default)]
pub struct VmNumber(Cell<Option<u32>>);

impl VmNumber {
    /// The number. `key`: where the last one stands in shared data, whatever slots the VMs run.
    pub fn get(&self, key: &str, host: &impl SharedData) -> Result<u32, HostError> {
        if let Some(number) = self.0.get() {
            return Ok(number);
        }
        for _ in 0..ATTEMPTS {
            let found = host.load(key.as_bytes())?;
            let version = found.as_ref().map(|(_, version)| *version);
            let last = found.and_then(|(bytes, _)| bytes.first_chunk().copied().map(u32::from_le_bytes));
            let number = last.unwrap_or_default().wrapping_add(1);
            match host.store(key.as_bytes(), &number.to_le_bytes(), version) {
                Err(HostError::CasMismatch) => {}
                Err(error) => return Err(error),
                Ok(()) => {
                    self.0.set(Some(number));
                    return Ok(number);
                }
            }
        }
        Err(HostError::CasMismatch)
    }
}
