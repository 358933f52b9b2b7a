//! What a worker keeps in its own memory: copies of what it served last.

use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;

use lru::LruCache;

use crate::content::Content;
use crate::key::Key;

/// What keeping a copy costs beside its bytes.
const OVERHEAD: usize = 160;

/// Copies by the hash of their key, those used least recently first to go.
#[derive(Debug)]
pub(crate) struct Own {
    copies: LruCache<u64, Copied, BuildHasherDefault<Hashed>>,
    bytes: usize,
    most: usize,
}

#[derive(Debug)]
struct Copied {
    stamp: u64,
    content: Rc<Content>,
}

/// The hash of a hash: itself.
#[derive(Debug, Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.first_chunk().copied().map_or(0, u64::from_le_bytes);
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

const fn cost(content: &Content) -> usize {
    content.size() + OVERHEAD
}

impl Own {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            copies: LruCache::unbounded_with_hasher(BuildHasherDefault::default()),
            bytes: 0,
            most,
        }
    }

    /// The copy of what is stored now. One of what was stored before goes.
    pub(crate) fn get(&mut self, key: &Key<'_>, stamp: u64) -> Option<Rc<Content>> {
        let copied = self.copies.get(&key.hash)?;
        if copied.stamp == stamp && copied.content.is_for(key) {
            return Some(Rc::clone(&copied.content));
        }
        self.forget(key.hash);
        None
    }

    /// Keeps a copy. What is larger than all that may be kept is not.
    pub(crate) fn put(&mut self, key: &Key<'_>, stamp: u64, content: &Rc<Content>) {
        self.forget(key.hash);
        if cost(content) > self.most {
            return;
        }
        self.bytes += cost(content);
        let content = Rc::clone(content);
        self.copies.put(key.hash, Copied { stamp, content });
        while self.bytes > self.most
            && let Some((_, copied)) = self.copies.pop_lru()
        {
            self.bytes -= cost(&copied.content);
        }
    }

    fn forget(&mut self, hash: u64) {
        if let Some(copied) = self.copies.pop(&hash) {
            self.bytes -= cost(&copied.content);
        }
    }
}
