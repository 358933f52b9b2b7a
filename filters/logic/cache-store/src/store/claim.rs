//! Who fetches an object.

use super::{LONGEST_LEASE_MS, Store};
use crate::arena::{Arena, Dropped, NO_WAY, Record, Ticket};
use crate::fill::{Claim, Fill, FillToken};
use crate::key::Key;
use crate::shared::{Failed, SharedValues};

impl Store {
    /// Asks to fetch what [`Store::look_up`] did not find, or to fetch anew what it found. After a look-up of the same key it
    /// costs one write.
    pub fn claim(&self, shared: &dyn SharedValues, key: &Key<'_>, fill: &Fill) -> Result<Claim, Failed> {
        let number = self.layout.arena_of(key.hash);
        let mut claim = Claim::NoRoom;
        let mut dropped = Vec::new();
        let loaded = self.last_or_load(shared, number)?;
        self.change_loaded(shared, number, loaded, &mut |arena| {
            dropped.clear();
            claim = self.claim_in(arena, key.hash, fill, &mut dropped);
            matches!(claim, Claim::Leader(_))
        })?;
        if matches!(claim, Claim::Leader(_)) {
            self.release(shared, number, &dropped)?;
        }
        Ok(claim)
    }

    fn claim_in(&self, arena: &mut Arena, hash: u64, fill: &Fill, dropped: &mut Vec<Dropped>) -> Claim {
        let known = arena.find(hash);
        let record = known.unwrap_or(Record::new(hash));
        if record.stored() != fill.seen {
            return Claim::Changed;
        }
        if record.ticket.is_live(fill.now_ms) {
            return self.taken(&record, fill);
        }
        let ticket = self.lease(arena, &record, fill.now_ms, fill.until_ms, dropped);
        let placed = ticket.is_some_and(|ticket| {
            let record = Record { ticket, ..record };
            match known {
                Some(_) => arena.replace(&record),
                None => arena.insert(&record, fill.now_ms, dropped),
            }
        });
        arena.count(hash);
        match ticket {
            Some(ticket) if placed => Claim::Leader(token(hash, ticket.number, fill)),
            _ => Claim::NoRoom,
        }
    }

    /// What a ticket of someone's means for another.
    fn taken(&self, record: &Record, fill: &Fill) -> Claim {
        let ticket = &record.ticket;
        if ticket.hit_for_miss {
            return Claim::HitForMiss(token(record.fingerprint, ticket.number, fill));
        }
        Claim::Follow {
            here: ticket.worker == self.worker,
            until_ms: ticket.until_ms,
        }
    }

    /// A new ticket for a key, with a place to write to; whoever waits goes on waiting. None: there is no place.
    pub(super) fn lease(
        &self,
        arena: &mut Arena,
        record: &Record,
        now_ms: u64,
        until_ms: u64,
        dropped: &mut Vec<Dropped>,
    ) -> Option<Ticket> {
        let number = arena.next_number(now_ms);
        let way = match record.ticket.way {
            NO_WAY => arena.way(record.fingerprint, now_ms, dropped)?,
            way => way,
        };
        Some(Ticket {
            number,
            until_ms: until_ms.min(now_ms.saturating_add(LONGEST_LEASE_MS)),
            way,
            worker: self.worker,
            hit_for_miss: false,
            waiting: record.ticket.waiting,
        })
    }

    /// Asks to be woken when what another worker fetches has come: its `wake_others` will be set. False: nobody fetches it any
    /// more, look again.
    pub fn follow(&self, shared: &dyn SharedValues, key: &Key<'_>, now_ms: u64) -> Result<bool, Failed> {
        let mut follows = false;
        self.change(shared, self.layout.arena_of(key.hash), &mut |arena| {
            let record = arena.find(key.hash);
            let filled = record.filter(|record| self.filling(record, now_ms).is_some());
            follows = filled.is_some();
            filled
                .filter(|record| !record.ticket.waiting)
                .is_some_and(|mut record| {
                    record.ticket.waiting = true;
                    arena.replace(&record)
                })
        })?;
        Ok(follows)
    }
}

const fn token(hash: u64, ticket: u64, fill: &Fill) -> FillToken {
    FillToken {
        hash,
        ticket,
        revision: fill.revision,
    }
}
