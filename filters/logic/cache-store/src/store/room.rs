//! Room: how much is kept, and what has to go for something new.

use super::{ATTEMPTS, Store, swap};
use crate::arena::{Arena, Dropped};
use crate::content;
use crate::key::Key;
use crate::shared::{Failed, SharedValues};
use crate::totals::Totals;

/// What keeping an object costs beside its bytes: its record, its key of shared data, and what the host needs.
const OVERHEAD: usize = 300;
/// The most objects that one arena gives for another, before the next one has to.
const AT_ONCE: usize = 1;

/// How much is kept that should not be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Over(Totals);

impl Over {
    fn of(totals: &Totals, most: &Totals) -> Self {
        Self(Totals {
            bytes: totals.bytes.saturating_sub(most.bytes),
            objects: totals.objects.saturating_sub(most.objects),
        })
    }

    pub(super) const fn is_none(&self) -> bool {
        self.0.bytes == 0 && self.0.objects == 0
    }

    /// Drops what has to go, not that of the key `keep`: few objects, so that a large one takes the place of what is used least in many
    /// arenas, and not of all that is in one.
    pub(super) fn evict(&self, arena: &mut Arena, keep: u64, dropped: &mut Vec<Dropped>) {
        for _ in 0..AT_ONCE {
            if self.less(dropped).is_none() || !arena.evict(Some(keep), dropped) {
                return;
            }
        }
    }

    /// What remains without these.
    pub(super) fn less(&self, dropped: &[Dropped]) -> Self {
        let mut rest = self.0;
        dropped.iter().for_each(|dropped| rest.remove(dropped.size));
        Self(rest)
    }
}

impl Store {
    /// How much is kept, by all workers.
    pub fn totals(&self, shared: &dyn SharedValues) -> Result<Totals, Failed> {
        let found = shared.load(self.names.totals())?;
        match found.and_then(|(bytes, _)| Totals::parse(&bytes)) {
            Some(totals) => Ok(totals),
            None => self.count(shared),
        }
    }

    const fn most(&self) -> Totals {
        Totals {
            bytes: self.layout.object_bytes(),
            objects: self.layout.objects() as u64,
        }
    }

    /// What an object costs; none if it can't be stored at all.
    pub(super) fn size(&self, key: &Key<'_>, bytes: &[u8]) -> Option<u32> {
        let size = OVERHEAD.checked_add(key.text.len())?.checked_add(bytes.len())?;
        let most = self.most();
        let fits = most.objects > 0 && size as u64 <= most.bytes;
        u32::try_from(size).ok().filter(|_| fits)
    }

    /// Takes room for an object, and says what has to go for it.
    pub(super) fn reserve(&self, shared: &dyn SharedValues, size: u32) -> Result<Over, Failed> {
        let totals = self.change_totals(shared, &mut |totals, _| totals.add(size))?;
        Ok(Over::of(&totals, &self.most()))
    }

    /// Changes the totals; `work` learns whether they were lost, and counted anew just now.
    fn change_totals(
        &self,
        shared: &dyn SharedValues,
        work: &mut dyn FnMut(&mut Totals, bool),
    ) -> Result<Totals, Failed> {
        for _ in 0..ATTEMPTS {
            let found = shared.load(self.names.totals())?;
            let version = found.as_ref().map(|(_, version)| *version);
            let known = found.and_then(|(bytes, _)| Totals::parse(&bytes));
            let mut totals = match known {
                Some(totals) => totals,
                None => self.count(shared)?,
            };
            work(&mut totals, known.is_none());
            if swap(shared, self.names.totals(), &totals.to_bytes(), version)? {
                return Ok(totals);
            }
        }
        Err(Failed)
    }

    /// Counts what all arenas refer to.
    fn count(&self, shared: &dyn SharedValues) -> Result<Totals, Failed> {
        let mut totals = Totals::default();
        for number in 0..self.layout.arenas() {
            let loaded = self.load_arena(shared, number)?;
            let records = loaded.arena.records();
            let stored = records.filter_map(|record| Dropped::of(&record));
            stored.for_each(|stored| totals.add(stored.size));
        }
        Ok(totals)
    }

    /// Frees the values of what was dropped from an arena, and gives the room back.
    pub(super) fn release(
        &self,
        shared: &dyn SharedValues,
        arena: u32,
        dropped: &[Dropped],
    ) -> Result<(), Failed> {
        if dropped.is_empty() {
            return Ok(());
        }
        for dropped in dropped {
            self.free(shared, arena, dropped)?;
        }
        // Arenas don't refer to what was dropped any more.
        self.change_totals(shared, &mut |totals, counted| {
            if !counted {
                dropped.iter().for_each(|dropped| totals.remove(dropped.size));
            }
        })?;
        Ok(())
    }

    /// Empties a value, unless something else was written there meanwhile.
    fn free(&self, shared: &dyn SharedValues, arena: u32, dropped: &Dropped) -> Result<(), Failed> {
        let key = self.names.object(arena, dropped.way);
        let found = shared.load(&key)?;
        let ours = found.filter(|(bytes, _)| content::stamp_of(bytes) == Some(dropped.stamp));
        match ours {
            Some((_, version)) => swap(shared, &key, &[], Some(version)).map(|_| ()),
            None => Ok(()),
        }
    }

    /// Writes a value that no arena refers to yet.
    pub(super) fn write_object(
        &self,
        shared: &dyn SharedValues,
        arena: u32,
        way: u8,
        value: &[u8],
    ) -> Result<(), Failed> {
        let key = self.names.object(arena, way);
        for _ in 0..ATTEMPTS {
            let version = shared.load(&key)?.map(|(_, version)| version);
            if swap(shared, &key, value, version)? {
                return Ok(());
            }
        }
        Err(Failed)
    }

    /// Drops objects, few of each arena, from the one after `hash`'s on; not the one of `hash`. Says how many.
    pub(super) fn make_room(
        &self,
        shared: &dyn SharedValues,
        hash: u64,
        over: Over,
    ) -> Result<usize, Failed> {
        let arenas = self.layout.arenas();
        let (mut over, mut evicted) = (over, 0);
        let (mut number, mut idle) = (self.layout.arena_of(hash), 0);
        while !over.is_none() && idle < arenas {
            number = (number + 1) % arenas;
            let dropped = self.evict_from(shared, number, hash, &over)?;
            idle = if dropped.is_empty() { idle + 1 } else { 0 };
            over = over.less(&dropped);
            evicted += dropped.len();
        }
        Ok(evicted)
    }

    fn evict_from(
        &self,
        shared: &dyn SharedValues,
        number: u32,
        keep: u64,
        over: &Over,
    ) -> Result<Vec<Dropped>, Failed> {
        let mut dropped = Vec::new();
        self.change(shared, number, &mut |arena| {
            dropped.clear();
            over.evict(arena, keep, &mut dropped);
            !dropped.is_empty()
        })?;
        self.release(shared, number, &dropped)?;
        Ok(dropped)
    }

    /// Frees all that stands in an arena: for a store that is not used any more, since its name or layout is another now.
    pub fn clear(&self, shared: &dyn SharedValues, arena: u32) -> Result<(), Failed> {
        let mut dropped = Vec::new();
        self.change(shared, arena, &mut |arena| {
            dropped = arena
                .records()
                .filter_map(|record| Dropped::of(&record))
                .collect();
            !std::mem::take(arena).as_bytes().is_empty()
        })?;
        self.release(shared, arena, &dropped)
    }
}
