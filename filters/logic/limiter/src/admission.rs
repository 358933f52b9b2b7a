//! Several limits, one verdict: all let a request pass and are charged, or none is charged.
//!
//! Each limit's bucket is read once and, when all agree, written once. A write that comes too late (another worker was
//! faster) is done again from a new reading; if the limit has nothing left by then, those that were charged already get
//! it back. So two workers never let more through than there is, and what a refused request cost for an instant may
//! only have refused others.

use std::cell::Cell;

use weir_quota::bucket::{Bucket, Layout};
use weir_quota::cell::{State, Verdict};
use weir_quota::share::ShareRecord;

use crate::cells::{CellError, Cells};
use crate::key::Fingerprint;
use crate::quota::Quota;
use crate::tally::Tally;

/// How often a bucket is read again because other workers were faster.
const ATTEMPTS: usize = 64;

/// What one limit is asked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Charge<'l> {
    pub(crate) policy: usize,
    pub(crate) limit: usize,
    pub(crate) quota: &'l Quota,
    pub(crate) key: Fingerprint,
    pub(crate) cost: u64,
    /// The process's share, where the quota is the fleet's.
    pub(crate) share: Option<ShareRecord>,
}

/// What all limits together say.
#[derive(Debug)]
pub(crate) struct Admission {
    /// One for each charge.
    pub(crate) verdicts: Vec<Verdict>,
}

/// Looks charges up and makes them.
#[derive(Debug)]
pub(crate) struct Desk<'w, W> {
    pub(crate) world: &'w W,
    pub(crate) layout: Layout,
    /// Unix nanoseconds, as read last.
    pub(crate) now: Cell<u64>,
}

/// A limit's bucket, read, and what it comes to.
struct Look<V> {
    bucket: Bucket,
    version: Option<V>,
    verdict: Verdict,
    after: Option<State>,
}

impl Admission {
    /// Whether all limits let the request pass.
    pub(crate) fn passes(&self) -> bool {
        self.verdicts.iter().all(Verdict::is_allow)
    }
}

impl<W: Cells + Tally> Desk<'_, W> {
    /// Asks all limits, and charges them if all agree.
    pub(crate) fn admit(&self, charges: &[Charge<'_>]) -> Result<Admission, CellError> {
        let mut looks = Vec::with_capacity(charges.len());
        for charge in charges {
            looks.push(self.look(charge)?);
        }
        let verdicts = looks.iter().map(|look| look.verdict).collect();
        let mut admission = Admission { verdicts };
        if admission.passes() {
            self.charge_all(charges, looks, &mut admission)?;
        } else {
            self.repair(charges, looks);
        }
        Ok(admission)
    }

    /// Writes what a clock that stepped back makes of a state, or every look would find it as far ahead. What can't be
    /// written now is found again.
    fn repair(&self, charges: &[Charge<'_>], looks: Vec<Look<W::Version>>) {
        for (charge, look) in charges.iter().zip(looks) {
            if let Some(after) = look.after.filter(|_| !look.verdict.is_allow()) {
                let _ = self.put(charge.key, after, look.bucket, look.version);
            }
        }
    }

    fn charge_all(
        &self,
        charges: &[Charge<'_>],
        looks: Vec<Look<W::Version>>,
        admission: &mut Admission,
    ) -> Result<(), CellError> {
        for (index, (charge, look)) in charges.iter().zip(looks).enumerate() {
            let written = self.write(charge, look);
            if !written.is_ok_and(|verdict| verdict.is_allow()) {
                charges
                    .iter()
                    .take(index)
                    .for_each(|charge| self.give_back(charge));
            }
            let verdict = written?;
            if let Some(slot) = admission.verdicts.get_mut(index) {
                *slot = verdict;
            }
            if !verdict.is_allow() {
                break;
            }
        }
        Ok(())
    }

    fn look(&self, charge: &Charge<'_>) -> Result<Look<W::Version>, CellError> {
        let (bucket, version) = self.load(charge.key)?;
        let state = bucket.get(charge.key.0);
        let now = self.time_for(charge.quota, charge.share.as_ref(), state);
        let (verdict, after) = charge.quota.check(state, charge.share.as_ref(), now, charge.cost);
        Ok(Look {
            bucket,
            version,
            verdict,
            after,
        })
    }

    /// The time to read a state at. It may be of a later time than this request's: another worker has written it since,
    /// and what that one charged must not be taken for the doing of a clock that stepped back. A new reading tells.
    pub(crate) fn time_for(&self, quota: &Quota, share: Option<&ShareRecord>, state: Option<State>) -> u64 {
        if quota.is_ahead(state, share, self.now.get())
            && let Ok(now) = self.world.now()
        {
            self.now.set(now);
        }
        self.now.get()
    }

    fn load(&self, key: Fingerprint) -> Result<(Bucket, Option<W::Version>), CellError> {
        let found = self.world.load(self.layout.bucket_of(key.0))?;
        Ok(match found {
            Some((bytes, version)) => (Bucket::parse(bytes), Some(version)),
            None => (Bucket::default(), None),
        })
    }

    /// Writes what a look came to; from a new look if it is out of date.
    fn write(&self, charge: &Charge<'_>, mut look: Look<W::Version>) -> Result<Verdict, CellError> {
        for _ in 0..ATTEMPTS {
            let Some(after) = look.after.filter(|_| look.verdict.is_allow()) else {
                return Ok(look.verdict);
            };
            match self.put(charge.key, after, look.bucket, look.version) {
                Ok(()) => return Ok(look.verdict),
                Err(CellError::Moved) => look = self.look(charge)?,
                Err(CellError::Failed) => return Err(CellError::Failed),
            }
        }
        Err(CellError::Moved)
    }

    fn put(
        &self,
        key: Fingerprint,
        state: State,
        mut bucket: Bucket,
        version: Option<W::Version>,
    ) -> Result<(), CellError> {
        let evicted = bucket.put(key.0, state, self.now.get()).evicted.is_some();
        let number = self.layout.bucket_of(key.0);
        self.world.store(number, bucket.as_bytes(), version)?;
        if evicted {
            self.world.evicted();
        }
        Ok(())
    }

    /// Gives a charge back. What can't be given back stays charged, which lets nobody through.
    pub(crate) fn give_back(&self, charge: &Charge<'_>) {
        let undone = self.change(charge.key, |state| {
            let share = charge.share.as_ref();
            let charged_at = self.now.get();
            let now = self.time_for(charge.quota, share, state);
            charge.quota.refund(state, share, charged_at, now, charge.cost)
        });
        if undone.is_err() {
            self.world
                .tally(charge.policy, charge.limit, crate::Tallied::Failed);
        }
    }

    /// Changes the state of a key, whatever it is by then; nothing to store changes nothing.
    pub(crate) fn change(
        &self,
        key: Fingerprint,
        change: impl Fn(Option<State>) -> Option<State>,
    ) -> Result<(), CellError> {
        for _ in 0..ATTEMPTS {
            let (bucket, version) = self.load(key)?;
            let Some(after) = change(bucket.get(key.0)) else {
                return Ok(());
            };
            match self.put(key, after, bucket, version) {
                Err(CellError::Moved) => {}
                done => return done,
            }
        }
        Err(CellError::Moved)
    }
}
