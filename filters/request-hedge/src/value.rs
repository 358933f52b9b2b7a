//! Values of shared data, as the logic asks for them.

use weir_hedge::shared::{SharedError, SharedValue};
use weir_host::HostError;
use weir_host::port::{SharedData, Version};

/// One value.
pub(crate) struct Value<'v, H> {
    pub(crate) host: &'v H,
    pub(crate) key: &'v str,
}

impl<H: SharedData> SharedValue for Value<'_, H> {
    fn load(&self) -> Result<Option<(Vec<u8>, u32)>, SharedError> {
        let found = self.host.load(self.key.as_bytes()).map_err(shared)?;
        Ok(found.map(|(bytes, Version(version))| (bytes, version)))
    }

    fn store(&self, bytes: &[u8], expected: Option<u32>) -> Result<(), SharedError> {
        let expected = expected.map(Version);
        self.host
            .store(self.key.as_bytes(), bytes, expected)
            .map_err(shared)
    }
}

const fn shared(error: HostError) -> SharedError {
    match error {
        HostError::CasMismatch => SharedError::Busy,
        _ => SharedError::Failed,
    }
}

/// For a line of the log.
pub(crate) const fn host_error(error: SharedError) -> HostError {
    match error {
        SharedError::Busy => HostError::CasMismatch,
        SharedError::Failed => HostError::BadArgument,
    }
}
