//! How a fill ends, and how an object does.

use super::room::Over;
use super::{LONGEST_HIT_FOR_MISS_MS, Store};
use crate::arena::{Arena, Dropped, NO_WAY, Record, Ticket};
use crate::content;
use crate::fill::{Ended, FillToken, Kind, Stored};
use crate::key::Key;
use crate::shared::{Failed, SharedValues};

/// What is to be stored, and where.
struct Placing {
    arena: u32,
    hash: u64,
    ticket: Ticket,
    size: u32,
    vary: bool,
}

/// What came of it.
#[derive(Default)]
struct Placed {
    wake_others: bool,
    replaced: usize,
    dropped: Vec<Dropped>,
}

impl Store {
    /// Stores what was fetched, for all workers, in the place of what was stored before. What is refreshed after a 304 is stored
    /// just so.
    pub fn store(
        &self,
        shared: &dyn SharedValues,
        token: FillToken,
        key: &Key<'_>,
        kind: Kind,
        bytes: &[u8],
        now_ms: u64,
    ) -> Result<Stored, Failed> {
        let Some(size) = self.size(key, bytes) else {
            let Ended { wake_others, .. } = self.abandon(shared, token)?;
            return Ok(Stored::TooLarge { wake_others });
        };
        let arena = self.layout.arena_of(key.hash);
        let Some(ticket) = self.lease_of(shared, arena, &token, now_ms)? else {
            return Ok(Stored::Fenced);
        };
        let placing = Placing {
            arena,
            hash: key.hash,
            ticket,
            size,
            vary: kind == Kind::Vary,
        };
        self.put(shared, &placing, &content::value(ticket.number, key, bytes))
    }

    /// Reserves room, writes the value, then has the arena refer to it, then makes room.
    fn put(&self, shared: &dyn SharedValues, placing: &Placing, value: &[u8]) -> Result<Stored, Failed> {
        let stamp = placing.ticket.number;
        let over = self.reserve(shared, placing.size)?;
        let placed = self
            .write_object(shared, placing.arena, placing.ticket.way, value)
            .and_then(|()| self.place(shared, placing, &over));
        let Ok(Some(placed)) = placed else {
            let unused = Dropped {
                way: placing.ticket.way,
                stamp,
                size: placing.size,
            };
            self.release(shared, placing.arena, &[unused])?;
            return placed.map(|_| Stored::Fenced);
        };
        self.release(shared, placing.arena, &placed.dropped)?;
        let elsewhere = self.make_room(shared, placing.hash, over.less(&placed.dropped))?;
        let evicted = placed.dropped.len() - placed.replaced + elsewhere;
        Ok(Stored::Stored {
            stamp,
            evicted: u32::try_from(evicted).unwrap_or(u32::MAX),
            wake_others: placed.wake_others,
        })
    }

    /// The lease of a token: others may have one in common, of which the first who stores makes a lease.
    fn lease_of(
        &self,
        shared: &dyn SharedValues,
        arena: u32,
        token: &FillToken,
        now_ms: u64,
    ) -> Result<Option<Ticket>, Failed> {
        let mut lease = None;
        let mut dropped = Vec::new();
        self.change(shared, arena, &mut |arena| {
            dropped.clear();
            let record = held(arena, token);
            lease = record.and_then(|record| match record.ticket.hit_for_miss {
                true => self.lease(arena, &record, now_ms, u64::MAX, &mut dropped),
                false => Some(record.ticket),
            });
            let new = record
                .zip(lease)
                .filter(|(record, lease)| record.ticket != *lease);
            new.is_some_and(|(record, ticket)| arena.replace(&Record { ticket, ..record }))
        })?;
        self.release(shared, arena, &dropped)?;
        Ok(lease)
    }

    /// Has the arena refer to the value, and drops others for it as far as there are any in this arena.
    fn place(
        &self,
        shared: &dyn SharedValues,
        placing: &Placing,
        over: &Over,
    ) -> Result<Option<Placed>, Failed> {
        let mut placed = None;
        self.change(shared, placing.arena, &mut |arena| {
            placed = place_in(arena, placing, over);
            placed.is_some()
        })?;
        Ok(placed)
    }

    /// Ends a fill that came to nothing. What was stored before stays.
    pub fn abandon(&self, shared: &dyn SharedValues, token: FillToken) -> Result<Ended, Failed> {
        let mut ended = Ended::default();
        self.change(shared, self.layout.arena_of(token.hash), &mut |arena| {
            let Some(mut record) = held(arena, &token) else {
                ended = Ended::default();
                return false;
            };
            ended = Ended::of(&record);
            if record.ticket.hit_for_miss {
                return false;
            }
            record.ticket = Ticket::NONE;
            arena.replace_or_remove(&record);
            true
        })?;
        Ok(ended)
    }

    /// Ends a fill whose answer can't be stored, and remembers so until then. What was stored before is gone.
    pub fn hit_for_miss(
        &self,
        shared: &dyn SharedValues,
        token: FillToken,
        now_ms: u64,
        until_ms: u64,
    ) -> Result<Ended, Failed> {
        let until_ms = until_ms.min(now_ms.saturating_add(LONGEST_HIT_FOR_MISS_MS));
        self.end(shared, token.hash, &mut |arena| {
            let mut record = held(arena, &token)?;
            let before = record;
            record.clear();
            record.ticket = Ticket {
                until_ms,
                way: NO_WAY,
                hit_for_miss: true,
                waiting: false,
                ..record.ticket
            };
            arena.replace(&record);
            Some(before)
        })
    }

    /// Drops what is stored for a key, all that its [`Found::Vary`](crate::Found::Vary) led to, and what is being fetched for it: no
    /// look-up that begins later finds any of it.
    pub fn invalidate(&self, shared: &dyn SharedValues, key: &Key<'_>) -> Result<Ended, Failed> {
        self.end(shared, key.hash, &mut |arena| {
            let record = arena.find(key.hash)?;
            arena.remove(key.hash);
            Some(record)
        })
    }

    /// Changes an arena so that an object is gone; `work` says what was known of it.
    fn end(
        &self,
        shared: &dyn SharedValues,
        hash: u64,
        work: &mut dyn FnMut(&mut Arena) -> Option<Record>,
    ) -> Result<Ended, Failed> {
        let arena = self.layout.arena_of(hash);
        let mut ended = None;
        self.change(shared, arena, &mut |arena| {
            ended = work(arena);
            ended.is_some()
        })?;
        let dropped = ended.as_ref().and_then(Dropped::of);
        self.release(shared, arena, dropped.as_slice())?;
        Ok(ended.as_ref().map_or(Ended::default(), Ended::of))
    }
}

impl Ended {
    fn of(record: &Record) -> Self {
        Self {
            was: true,
            wake_others: record.ticket.waiting,
        }
    }
}

/// The record whose ticket a token is.
fn held(arena: &Arena, token: &FillToken) -> Option<Record> {
    let record = arena.find(token.hash);
    record.filter(|record| record.ticket.number == token.ticket)
}

fn place_in(arena: &mut Arena, placing: &Placing, over: &Over) -> Option<Placed> {
    let record = arena.find(placing.hash);
    let before = record.filter(|record| record.ticket.number == placing.ticket.number)?;
    let stamp = placing.ticket.number;
    arena.replace(&Record {
        stamp,
        way: placing.ticket.way,
        size: placing.size,
        vary: placing.vary,
        on_trial: before.on_trial || before.stored().is_none(),
        ticket: Ticket::NONE,
        ..before
    });
    let mut dropped: Vec<_> = Dropped::of(&before).into_iter().collect();
    let replaced = dropped.len();
    over.evict(arena, placing.hash, &mut dropped);
    arena.end_trials();
    Some(Placed {
        wake_others: before.ticket.waiting,
        replaced,
        dropped,
    })
}
