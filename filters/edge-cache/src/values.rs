//! Shared data as the store reads it.

use weir_cache_store::{Failed, SharedValues, StoreError};
use weir_host::HostError;
use weir_host::port::{SharedData, Version};

/// The shared data of a host.
pub(crate) struct Values<'h, H>(pub(crate) &'h H);

impl<H: SharedData> SharedValues for Values<'_, H> {
    fn load(&self, key: &[u8]) -> Result<Option<(Vec<u8>, u32)>, Failed> {
        let found = self.0.load(key).map_err(|_| Failed)?;
        Ok(found.map(|(value, version)| (value, version.0)))
    }

    fn touch(&self, key: &[u8]) -> Result<(), Failed> {
        self.0.touch(key).map_err(|_| Failed)
    }

    fn store(&self, key: &[u8], value: &[u8], expected: Option<u32>) -> Result<(), StoreError> {
        match self.0.store(key, value, expected.map(Version)) {
            Ok(()) => Ok(()),
            Err(HostError::CasMismatch) => Err(StoreError::Mismatch),
            Err(_) => Err(StoreError::Failed),
        }
    }
}
