//! An object's bytes, and what is known of them.

use std::any::Any;
use std::cell::{Cell, OnceCell};
use std::ops::Deref;
use std::rc::Rc;

use crate::key::Key;
use crate::purge::Judged;

/// Bytes before the key's text: stamp (a u64), length of the text (a u32), little-endian.
const HEADER: usize = 12;

/// What was stored for a key, as it was stored. It stands in the memory that the host gave, so that nothing is copied.
#[derive(Debug)]
pub struct Content {
    /// Header, text of the key, what was stored.
    bytes: Vec<u8>,
    start: usize,
    judged: Cell<Judged>,
    read: OnceCell<Option<Rc<dyn Any>>>,
    /// Bytes that `read` takes.
    read_size: Cell<usize>,
}

/// The stamp of a value; none if it is empty.
pub(crate) fn stamp_of(bytes: &[u8]) -> Option<u64> {
    bytes.first_chunk().copied().map(u64::from_le_bytes)
}

/// The bytes of a value.
pub(crate) fn value(stamp: u64, key: &Key<'_>, stored: &[u8]) -> Vec<u8> {
    let length = u32::try_from(key.text.len()).unwrap_or(u32::MAX);
    let (stamp, length) = (stamp.to_le_bytes(), length.to_le_bytes());
    [stamp.as_slice(), &length, key.text, stored].concat()
}

impl Content {
    /// What a value holds, if it was stored with this stamp for this very key.
    pub(crate) fn read(bytes: Vec<u8>, stamp: u64, key: &Key<'_>) -> Option<Self> {
        let length = bytes.get(8..HEADER)?.first_chunk()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let content = Self {
            start: HEADER.checked_add(length)?,
            bytes,
            judged: Cell::default(),
            read: OnceCell::new(),
            read_size: Cell::new(0),
        };
        content.is(stamp, key).then_some(content)
    }

    fn is(&self, stamp: u64, key: &Key<'_>) -> bool {
        stamp_of(&self.bytes) == Some(stamp) && self.is_for(key)
    }

    /// It was stored for this very key.
    pub(crate) fn is_for(&self, key: &Key<'_>) -> bool {
        self.bytes.get(HEADER..self.start) == Some(key.text)
    }

    /// Bytes that it takes, with what was read of it.
    pub(crate) const fn size(&self) -> usize {
        self.bytes.len() + self.read_size.get()
    }

    /// What `read` makes of it, which is kept with it, and how many bytes that takes; none: nothing.
    pub fn read_once<T: 'static>(&self, read: impl FnOnce(&[u8]) -> Option<(T, usize)>) -> Option<Rc<T>> {
        let read = || {
            let (it, size) = read(self)?;
            self.read_size.set(size);
            Some(Rc::new(it) as Rc<dyn Any>)
        };
        let known = self.read.get_or_init(read).clone()?;
        known.downcast().ok()
    }

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
