//! Which object has to go.

use super::Arena;
use super::record::Record;

/// One of so many records may be on trial, and one more.
const PART: usize = 16;

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
    /// has to go, unless it was asked for as often as the one that is longest on trial: then that one goes.
    pub(crate) fn evict(&mut self, keep: Option<u64>, dropped: &mut Vec<Dropped>) -> bool {
        let tried = self.longest_on_trial(keep);
        let oldest = self.sweep(keep);
        let victim = match (tried, oldest) {
            (Some(tried), Some(oldest)) => Some(self.contest(tried, oldest)),
            (tried, oldest) => oldest.or(tried),
        };
        let record = victim.and_then(|at| self.get(at));
        if let (Some(at), Some(record)) = (victim, record) {
            self.drop_object(at, record);
            dropped.extend(Dropped::of(&record));
        }
        record.is_some()
    }

    /// With more objects on trial than there should be, the one that is longest has passed.
    pub(crate) fn end_trials(&mut self) {
        let on_trial = self.records().filter(|record| record.on_trial).count();
        if on_trial > 1 + self.len() / PART
            && let Some(at) = self.longest_on_trial(None)
        {
            self.pass(at);
        }
    }

    fn longest_on_trial(&self, keep: Option<u64>) -> Option<usize> {
        let is = |record: &Record| record.on_trial && Some(record.fingerprint) != keep;
        let on_trial = self.records().enumerate().filter(|(_, record)| is(record));
        on_trial.min_by_key(|(_, record)| record.stamp).map(|(at, _)| at)
    }

    fn pass(&mut self, at: usize) {
        if let Some(mut record) = self.get(at) {
            record.on_trial = false;
            self.set(at, &record);
        }
    }

    /// Moves the hand on to an object that was not used since it last came by.
    fn sweep(&mut self, keep: Option<u64>) -> Option<usize> {
        let len = self.len();
        let start = self.hand();
        let rounds = usize::from(super::MOST_USES) + 1;
        for at in (0..len * rounds).map(|step| (start + step) % len) {
            let mut record = self.get(at)?;
            if record.stored().is_none() || record.on_trial || Some(record.fingerprint) == keep {
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

    /// Which of two objects has to go. One on trial that stays has passed.
    fn contest(&mut self, tried: usize, oldest: usize) -> usize {
        let worth = |at| self.get(at).map_or(0, |record| self.worth(&record));
        if worth(tried) <= worth(oldest) {
            return tried;
        }
        self.pass(tried);
        oldest
    }

    /// How often an object was asked for; half the size counts as once more.
    fn worth(&self, record: &Record) -> u32 {
        u32::from(self.estimate(record.fingerprint)) + record.size.leading_zeros()
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
