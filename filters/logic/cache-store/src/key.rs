//! What an object is found by.

use weir_policy::hash::hash64;

/// The key of an object: its text, and the hash of it.
///
/// An object is served for the text that it was stored for, and for no other, whatever their hashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key<'k> {
    /// Chooses the arena and the record in it.
    pub hash: u64,
    /// All that makes one object differ from another.
    pub text: &'k [u8],
}

impl<'k> Key<'k> {
    /// The key with this text.
    pub fn new(text: &'k [u8]) -> Self {
        Self {
            hash: hash64(text),
            text,
        }
    }
}
