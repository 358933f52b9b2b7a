//! Which object has to go.

use super::Arena;
use super::record::Record;

/// An object that had to go: its value is still to be freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dropped {
    pub(crate) way: u8,
    pub(crate) stamp: u64,
    pub(crate) size: u32,
}

impl Dropped {
    /// What a record stores; none if nothing.
    pub(crate) fn of(record: &Record) -> Option<Self> {
        record.stored().map(|stamp| Self {
            way: record.way,
            stamp,
            size: record.size,
        })
    }
}

impl Arena {
    /// Drops one object, not that of the key `keep`. False: there is no other.
    ///
    /// A hand goes round the objects; one that was used since it last came by loses one use and stays. Where it stops, the object
    /// has to go, unless it was asked for more often than the newest one: then that one goes.
    pub(crate) fn evict(&mut self, keep: Option<u64>, dropped: &mut Vec<Dropped>) -> bool {
        let newest = self.newest(keep);
        let oldest = self.sweep(keep, newest);
        let victim = match (newest, oldest) {
            (Some(newest), Some(oldest)) => Some(self.contest(newest, oldest)),
            (newest, oldest) => oldest.or(newest),
        };
        let record = victim.and_then(|at| self.get(at));
        if let (Some(at), Some(record)) = (victim, record) {
            self.set_newest(0);
            self.drop_object(at, record);
            dropped.extend(Dropped::of(&record));
        }
        record.is_some()
    }

    fn newest(&self, keep: Option<u64>) -> Option<usize> {
        let stamp = self.word(super::NEWEST);
        let is = |record: Record| stamp != 0 && record.stamp == stamp && Some(record.fingerprint) != keep;
        self.records().position(is)
    }

    /// Moves the hand on to an object that was not used since it last came by.
    fn sweep(&mut self, keep: Option<u64>, newest: Option<usize>) -> Option<usize> {
        let len = self.len();
        let start = self.hand();
        let rounds = usize::from(super::MOST_USES) + 1;
        for at in (0..len * rounds).map(|step| (start + step) % len) {
            let mut record = self.get(at)?;
            if record.stored().is_none() || Some(record.fingerprint) == keep || newest == Some(at) {
                continue;
            }
            if record.uses == 0 {
                self.set_hand(at);
                return Some(at);
            }
            record.uses -= 1;
            self.set(at, &record);
        }
        None
    }

    /// Which of two objects was asked for less.
    fn contest(&self, newest: usize, oldest: usize) -> usize {
        let asked = |at| self.get(at).map_or(0, |record| self.estimate(record.fingerprint));
        if asked(newest) > asked(oldest) {
            oldest
        } else {
            newest
        }
    }

    /// Forgets an object, and the record if nobody fetches it.
    fn drop_object(&mut self, at: usize, mut record: Record) {
        record.clear();
        if record.ticket.number == 0 {
            self.remove_at(at);
        } else {
            self.set(at, &record);
        }
    }
}
