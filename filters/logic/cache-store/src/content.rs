//! An object's bytes, and what is known of them.

use std::cell::Cell;
use std::ops::Deref;

use crate::purge::Judged;

/// What was stored for a key, as it was stored. It stands in the memory that the host gave, so that nothing is copied.
#[derive(Debug)]
pub struct Content {
    bytes: Vec<u8>,
    start: usize,
    judged: Cell<Judged>,
}

impl Content {
    /// What purges have said of it.
    pub const fn judged(&self) -> &Cell<Judged> {
        &self.judged
    }
}

impl Deref for Content {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }
}
