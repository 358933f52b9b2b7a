//! What a host answers instead of a value.

/// A host call that failed: the statuses of the proxy-wasm ABI 0.2.1, by name where a filter can act on them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Nothing of that name.
    #[error("the host found nothing of that name")]
    NotFound,
    /// The call makes no sense here: no such header map, no such metric.
    #[error("the host refused the argument")]
    BadArgument,
    /// Someone else stored a value in the meantime.
    #[error("the shared value changed in the meantime")]
    CasMismatch,
    /// Any other status.
    #[error("the host answered with status {0}")]
    Status(u32),
}

impl HostError {
    /// The result that a status stands for.
    pub fn check(status: u32) -> Result<(), Self> {
        match status {
            0 => Ok(()),
            1 => Err(Self::NotFound),
            2 => Err(Self::BadArgument),
            8 => Err(Self::CasMismatch),
            other => Err(Self::Status(other)),
        }
    }
}
