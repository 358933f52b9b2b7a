//! Which objects were purged.

use std::cell::Cell;

use weir_policy::proxy::EventPage;

use crate::shared::{Failed, SharedValues};

/// How old a worker's copy of the board may be, milliseconds.
pub const FRESH_MS: u64 = 20;

/// What purges mean for an object.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    #[default]
    Valid,
    /// It is stale.
    Soft,
    /// It is not there.
    Gone,
}

/// What purges up to a revision meant for an object: a worker keeps it with its copy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    revision: u64,
    verdict: Verdict,
}

/// What purges look at.
#[derive(Clone, Copy, Debug)]
pub struct Purgeable<'o, T> {
    /// The revision with which its fill began: [`FillToken::revision`](crate::FillToken::revision).
    pub revision: u64,
    /// `<namespace>/<name>` of its policy.
    pub policy: &'o str,
    /// Its URL without a scheme.
    pub url: &'o [u8],
    /// Its tags: an iterator of `&[u8]`, used at most once, and only where a purge came after `revision`.
    pub tags: T,
}

/// One worker's entrance to the purges of a slot.
#[derive(Debug, Default)]
pub struct Purges {}

impl Purges {
    /// The purges of the slot called `name`.
    pub fn new(name: &str) -> Self {
        let _ = name;
        Self {}
    }

    /// Takes up what the control plane says, for all workers of the process. A page that was taken up before changes nothing.
    /// True: something was purged.
    pub fn apply(&self, shared: &dyn SharedValues, page: &EventPage) -> Result<bool, Failed> {
        let _ = (shared, page);
        Ok(false)
    }

    /// The last purge that this worker knows, at most [`FRESH_MS`] after any worker took it up. A fill begins with it.
    pub fn revision(&self, shared: &dyn SharedValues, now_ms: u64) -> Result<u64, Failed> {
        let _ = (shared, now_ms);
        Ok(0)
    }

    /// What purges mean for an object. Nothing is read where no purge came after its fill began, or after it was judged.
    pub fn verdict<'o, T: IntoIterator<Item = &'o [u8]>>(
        &self,
        shared: &dyn SharedValues,
        object: Purgeable<'o, T>,
        judged: &Cell<Judged>,
        now_ms: u64,
    ) -> Result<Verdict, Failed> {
        let _ = (shared, object.revision, judged, now_ms);
        Ok(Verdict::Valid)
    }
}
