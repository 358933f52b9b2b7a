//! The store.

mod claim;
mod finish;
mod names;
mod room;

use std::cell::RefCell;
use std::rc::Rc;

use crate::arena::{Arena, Dropped, MOST_USES, Record, worker};
use crate::content::Content;
use crate::found::{Filling, Found, Object, Tier, Vary};
use crate::key::Key;
use crate::layout::Layout;
use crate::own::Own;
use crate::shared::{Failed, SharedValues, StoreError};
use names::Names;

/// The longest time that one fetches and others wait, milliseconds. A deadline further ahead was written under another clock
/// and is void.
pub const LONGEST_LEASE_MS: u64 = 600_000;
/// The longest time that it is remembered that an answer could not be stored, milliseconds.
pub const LONGEST_HIT_FOR_MISS_MS: u64 = 86_400_000;

/// How often something is tried anew because other workers were faster.
pub(crate) const ATTEMPTS: usize = 32;

/// One worker's entrance to the cache of its process.
#[derive(Debug)]
pub struct Store {
    layout: Layout,
    worker: u32,
    names: Names,
    own: RefCell<Own>,
    /// The arena that was looked at last, so that a claim need not read it again.
    last: RefCell<Option<(u32, Loaded)>>,
}

/// An arena as it was read.
#[derive(Debug)]
struct Loaded {
    arena: Arena,
    version: Option<u32>,
}

impl Store {
    /// The store called `name`, for the worker with this number, of which 24 bits count. Up to `own_bytes` of what this worker serves
    /// it keeps in its own memory too. A layout with another number of arenas is another store.
    pub fn new(name: &str, layout: Layout, number: u32, own_bytes: usize) -> Self {
        Self {
            layout,
            worker: worker(number),
            names: Names::new(name, layout.arenas()),
            own: RefCell::new(Own::new(own_bytes)),
            last: RefCell::default(),
        }
    }

    /// How the store is divided.
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Copies of this worker's own take no more than this from now on; those used least recently go first.
    pub fn limit_own(&self, bytes: usize) {
        self.own.borrow_mut().limit(bytes);
    }

    /// What is known of a key. One read of shared data, of a value without bytes, where this worker has a copy, and nothing has changed
    /// in its arena since it was used last; one more of the arena where something has, and one more of the object where the
    /// worker has no copy that is current.
    pub fn look_up(&self, shared: &dyn SharedValues, key: &Key<'_>, now_ms: u64) -> Result<Found, Failed> {
        let number = self.layout.arena_of(key.hash);
        // Read before the arena, so that a change after that is one of the mark too.
        let mark = self.mark(shared, key, number)?;
        let unchanged = mark.and_then(|mark| self.own.borrow_mut().unchanged(key, mark));
        if let Some((record, content)) = unchanged {
            let filling = self.filling(&record, now_ms);
            return Ok(stored(&record, record.stamp, content, Tier::Own, filling));
        }
        for _ in 0..ATTEMPTS {
            let loaded = self.load_arena(shared, number)?;
            let Some(record) = loaded.arena.find(key.hash) else {
                self.remember(number, loaded);
                return Ok(Found::Nothing);
            };
            let filling = self.filling(&record, now_ms);
            let Some(stamp) = record.stored() else {
                self.remember(number, loaded);
                return Ok(not_stored(&record, filling, now_ms));
            };
            if let Some((content, tier)) = self.content(shared, key, number, &record)? {
                self.note_use(shared, number, loaded, record, mark);
                return Ok(stored(&record, stamp, content, tier, filling));
            }
            self.drop_broken(shared, number, loaded, record)?;
        }
        Err(Failed)
    }

    /// The mark of the arena, for a key of which this worker has a copy.
    fn mark(&self, shared: &dyn SharedValues, key: &Key<'_>, arena: u32) -> Result<Option<u32>, Failed> {
        if !self.own.borrow().has(key) {
            return Ok(None);
        }
        let found = shared.load(&self.names.mark(arena))?;
        Ok(found.map(|(_, version)| version))
    }

    /// What a record refers to; none if something else stands there.
    fn content(
        &self,
        shared: &dyn SharedValues,
        key: &Key<'_>,
        arena: u32,
        record: &Record,
    ) -> Result<Option<(Rc<Content>, Tier)>, Failed> {
        let mut own = self.own.borrow_mut();
        if let Some(content) = own.get(key, record.stamp) {
            return Ok(Some((content, Tier::Own)));
        }
        let found = shared.load(&self.names.object(arena, record.way))?;
        let read = found.and_then(|(bytes, _)| Content::read(bytes, record.stamp, key));
        Ok(read.map(|content| {
            let content = Rc::new(content);
            own.put(key, record.stamp, &content);
            (content, Tier::Shared)
        }))
    }

    /// Counts a use, for eviction: a few times only, so that what is used much costs no writes, and is found without its arena.
    /// Where another worker is faster, it is not counted.
    fn note_use(
        &self,
        shared: &dyn SharedValues,
        number: u32,
        mut loaded: Loaded,
        mut record: Record,
        mark: Option<u32>,
    ) {
        if record.uses >= MOST_USES {
            if let Some(mark) = mark {
                self.own.borrow_mut().confirm(&record, mark);
            }
            self.remember(number, loaded);
            return;
        }
        record.uses += 1;
        loaded.arena.replace(&record);
        loaded.arena.count(record.fingerprint);
        let _ = self.swap(shared, number, &loaded);
    }

    /// Drops a record whose object is not where it says. If another worker changes the arena, it may just have been replaced.
    fn drop_broken(
        &self,
        shared: &dyn SharedValues,
        number: u32,
        mut loaded: Loaded,
        mut record: Record,
    ) -> Result<(), Failed> {
        let dropped = Dropped::of(&record);
        record.clear();
        loaded.arena.replace(&record);
        if self.swap(shared, number, &loaded)? {
            self.release(shared, number, dropped.as_slice())?;
        }
        Ok(())
    }

    fn filling(&self, record: &Record, now_ms: u64) -> Option<Filling> {
        let ticket = &record.ticket;
        (!ticket.hit_for_miss && ticket.is_live(now_ms)).then_some(Filling {
            here: ticket.worker == self.worker,
            until_ms: ticket.until_ms,
        })
    }

    fn remember(&self, number: u32, loaded: Loaded) {
        *self.last.borrow_mut() = Some((number, loaded));
    }

    /// The arena as this worker read it just now, or else as it is.
    fn last_or_load(&self, shared: &dyn SharedValues, number: u32) -> Result<Loaded, Failed> {
        match self.last.take() {
            Some((last, loaded)) if last == number => Ok(loaded),
            _ => self.load_arena(shared, number),
        }
    }

    fn load_arena(&self, shared: &dyn SharedValues, number: u32) -> Result<Loaded, Failed> {
        let found = shared.load(&self.names.arena(number))?;
        let version = found.as_ref().map(|(_, version)| *version);
        let arena = found.map_or_else(Arena::default, |(bytes, _)| Arena::parse(bytes));
        Ok(Loaded { arena, version })
    }

    /// Writes an arena that was changed, and marks it so. False: another worker was faster.
    fn swap(&self, shared: &dyn SharedValues, number: u32, loaded: &Loaded) -> Result<bool, Failed> {
        let swapped = swap(
            shared,
            &self.names.arena(number),
            loaded.arena.as_bytes(),
            loaded.version,
        )?;
        if swapped {
            shared.touch(&self.names.mark(number))?;
        }
        Ok(swapped)
    }

    /// Changes an arena: `work` says whether it has changed it, and may be done again on what another worker has made of it.
    fn change(
        &self,
        shared: &dyn SharedValues,
        number: u32,
        work: &mut dyn FnMut(&mut Arena) -> bool,
    ) -> Result<(), Failed> {
        let loaded = self.load_arena(shared, number)?;
        self.change_loaded(shared, number, loaded, work)
    }

    fn change_loaded(
        &self,
        shared: &dyn SharedValues,
        number: u32,
        mut loaded: Loaded,
        work: &mut dyn FnMut(&mut Arena) -> bool,
    ) -> Result<(), Failed> {
        for _ in 0..ATTEMPTS {
            if !work(&mut loaded.arena) || self.swap(shared, number, &loaded)? {
                return Ok(());
            }
            loaded = self.load_arena(shared, number)?;
        }
        Err(Failed)
    }
}

/// Stores a value. False: another worker was faster.
pub(crate) fn swap(
    shared: &dyn SharedValues,
    key: &[u8],
    value: &[u8],
    version: Option<u32>,
) -> Result<bool, Failed> {
    match shared.store(key, value, version) {
        Ok(()) => Ok(true),
        Err(StoreError::Mismatch) => Ok(false),
        Err(StoreError::Failed) => Err(Failed),
    }
}

fn not_stored(record: &Record, filling: Option<Filling>, now_ms: u64) -> Found {
    let until_ms = record.ticket.until_ms;
    match filling {
        Some(filling) => Found::Filling(filling),
        None if record.ticket.is_live(now_ms) => Found::HitForMiss { until_ms },
        None => Found::Nothing,
    }
}

fn stored(
    record: &Record,
    stamp: u64,
    content: Rc<Content>,
    tier: Tier,
    refreshing: Option<Filling>,
) -> Found {
    if record.vary {
        return Found::Vary(Vary {
            stamp,
            names: content,
            tier,
        });
    }
    Found::Object(Object {
        stamp,
        content,
        tier,
        refreshing,
    })
}
