//! What all workers of a process share.

/// The host failed: nothing is known, and the request goes on without a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed;

/// Why a shared value was not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// Another worker was faster: it has to be read again.
    Mismatch,
    /// The host failed.
    Failed,
}

/// Values by key, shared by all workers of a process.
pub trait SharedValues {
    /// The bytes of a value and their version; none if it was never stored. A value without bytes costs a host far less than
    /// others, since nothing is allocated for it.
    fn load(&self, key: &[u8]) -> Result<Option<(Vec<u8>, u32)>, Failed>;

    /// Stores a value without bytes, whatever was there: from then on it has another version.
    fn touch(&self, key: &[u8]) -> Result<(), Failed>;

    /// Stores a value, if it still has the version `expected`; none: if it was never stored.
    fn store(&self, key: &[u8], value: &[u8], expected: Option<u32>) -> Result<(), StoreError>;
}
