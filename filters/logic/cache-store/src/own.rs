//! What a worker keeps in its own memory: copies of what it served last.

use std::hash::{BuildHasherDefault, Hasher};
use std::rc::Rc;

use lru::LruCache;

use crate::arena::Record;
use crate::content::Content;
use crate::key::Key;

/// What keeping a copy costs beside its content.
const OVERHEAD: usize = 240;

/// With no room left, one in so many objects is copied: where those in use take a little more than there is, most of them
/// stay, in place of each going just before it is asked for again.
const ADMITTED: usize = 4;

/// Copies by the hash of their key, those used least recently first to go.
#[derive(Debug)]
pub(crate) struct Own {
    copies: LruCache<u64, Copied, BuildHasherDefault<Hashed>>,
    bytes: usize,
    most: usize,
    /// The copy that came last: what is read of it is read after it came.
    last: Option<u64>,
    /// Objects for which there was no room.
    crowded: usize,
}

#[derive(Debug)]
struct Copied {
    stamp: u64,
    content: Rc<Content>,
    /// What it was last counted as.
    cost: usize,
    /// The record that led to it, and the mark of the arena in which that stood.
    known: Option<(Record, u32)>,
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

fn cost(content: &Content) -> usize {
    content.size() + OVERHEAD
}

impl Own {
    pub(crate) fn new(most: usize) -> Self {
        Self {
            copies: LruCache::unbounded_with_hasher(BuildHasherDefault::default()),
            bytes: 0,
            most,
            last: None,
            crowded: 0,
        }
    }

    /// There is a copy, current or not.
    pub(crate) fn has(&self, key: &Key<'_>) -> bool {
        self.copies.contains(&key.hash)
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

    /// The copy, and the record that led to it, if the arena still has the mark that it had then.
    pub(crate) fn unchanged(&mut self, key: &Key<'_>, mark: u32) -> Option<(Record, Rc<Content>)> {
        let copied = self.copies.get(&key.hash)?;
        let (record, seen) = copied.known?;
        (seen == mark && copied.content.is_for(key)).then(|| (record, Rc::clone(&copied.content)))
    }

    /// `record`, of an arena that had this mark before it was read, leads to the copy.
    pub(crate) fn confirm(&mut self, record: &Record, mark: u32) {
        let copied = self.copies.peek_mut(&record.fingerprint);
        if let Some(copied) = copied.filter(|copied| copied.stamp == record.stamp) {
            copied.known = Some((*record, mark));
        }
    }

    /// Keeps a copy, if it may be.
    pub(crate) fn put(&mut self, key: &Key<'_>, stamp: u64, content: &Rc<Content>) {
        self.count_last();
        self.forget(key.hash);
        let cost = cost(content);
        if !self.admits(cost) {
            return;
        }
        self.bytes += cost;
        let copied = Copied {
            stamp,
            content: Rc::clone(content),
            cost,
            known: None,
        };
        self.copies.put(key.hash, copied);
        self.last = Some(key.hash);
        self.limit(self.most);
    }

    /// Copies take no more than this from now on.
    pub(crate) fn limit(&mut self, most: usize) {
        self.most = most;
        while self.bytes > self.most
            && let Some((_, copied)) = self.copies.pop_lru()
        {
            self.bytes -= copied.cost;
        }
    }

    /// What is larger than all that may be kept is never.
    const fn admits(&mut self, cost: usize) -> bool {
        if self.bytes + cost <= self.most {
            return true;
        }
        self.crowded = self.crowded.wrapping_add(1);
        self.crowded.is_multiple_of(ADMITTED) && cost <= self.most
    }

    fn count_last(&mut self) {
        let last = self.last.take().and_then(|hash| self.copies.peek_mut(&hash));
        if let Some(copied) = last {
            self.bytes -= copied.cost;
            copied.cost = cost(&copied.content);
            self.bytes += copied.cost;
        }
    }

    fn forget(&mut self, hash: u64) {
        if let Some(copied) = self.copies.pop(&hash) {
            self.bytes -= copied.cost;
        }
    }
}
