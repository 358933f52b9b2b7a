//! A value that all workers of a process share.

/// How often a worker tries again after another one was faster.
const TRIES: usize = 8;

/// Why a value could not be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SharedError {
    /// Other workers were faster, time and again.
    #[error("other workers were faster {TRIES} times")]
    Busy,
    /// The host failed.
    #[error("the host failed")]
    Failed,
}

/// One value of shared data.
pub trait SharedValue {
    /// The bytes and their version; none if it was never stored.
    fn load(&self) -> Result<Option<(Vec<u8>, u32)>, SharedError>;

    /// Stores bytes, if the value still has the version `expected`; none: if it was never stored. [`SharedError::Busy`]: it has
    /// another one. Whatever the error, nothing was stored.
    fn store(&self, bytes: &[u8], expected: Option<u32>) -> Result<(), SharedError>;
}

/// What becomes of a value: its new bytes, and what comes of them for who wrote them.
pub(crate) type Change<T> = (Vec<u8>, T);

/// Changes a value, from the start again where another worker was faster.
pub(crate) fn change<T>(
    value: &impl SharedValue,
    change: impl Fn(Option<&[u8]>) -> Change<T>,
) -> Result<T, SharedError> {
    for _ in 0..TRIES {
        let (old, version) = value.load()?.unzip();
        let (new, outcome) = change(old.as_deref());
        match value.store(&new, version) {
            Ok(()) => return Ok(outcome),
            Err(SharedError::Busy) => {}
            Err(error) => return Err(error),
        }
    }
    Err(SharedError::Busy)
}
