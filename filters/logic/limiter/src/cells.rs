//! Where quotas are kept: buckets of bytes that all workers of a process share.

/// Why a bucket could not be read or written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CellError {
    /// Another worker was faster: it has to be read again.
    Moved,
    /// The host failed.
    Failed,
}

/// A bucket's bytes and which content they are; none if it was never written.
pub type Found<V> = Option<(Vec<u8>, V)>;

/// Buckets of bytes, by number.
pub trait Cells {
    /// Tells one content of a bucket from another.
    type Version: Copy;

    /// Reads a bucket.
    fn load(&self, bucket: u32) -> Result<Found<Self::Version>, CellError>;

    /// Unix nanoseconds, read anew.
    fn now(&self) -> Result<u64, CellError>;

    /// Writes a bucket, if it is still as it was loaded.
    fn store(&self, bucket: u32, bytes: &[u8], loaded: Option<Self::Version>) -> Result<(), CellError>;
}
