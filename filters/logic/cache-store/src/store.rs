//! The store.

use crate::fill::{Claim, Ended, Fill, FillToken, Kind, Stored};
use crate::found::Found;
use crate::key::Key;
use crate::layout::Layout;
use crate::shared::{Failed, SharedValues};

/// The longest time that one fetches and others wait, milliseconds. A deadline further ahead was written under another clock
/// and is void.
pub const LONGEST_LEASE_MS: u64 = 600_000;
/// The longest time that it is remembered that an answer could not be stored, milliseconds.
pub const LONGEST_HIT_FOR_MISS_MS: u64 = 86_400_000;

/// One worker's entrance to the cache of its process.
#[derive(Debug)]
pub struct Store {
    layout: Layout,
    worker: u32,
}

impl Store {
    /// The store called `name`, for the worker with this number. Up to `own_bytes` of what this worker serves it keeps in its own
    /// memory too.
    pub fn new(name: &str, layout: Layout, worker: u32, own_bytes: usize) -> Self {
        let _ = (name, own_bytes);
        Self { layout, worker }
    }

    /// How the store is divided.
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// What is known of a key. One read of shared data where this worker has a copy that is current, two where it has none.
    pub fn look_up(&self, shared: &dyn SharedValues, key: &Key<'_>, now_ms: u64) -> Result<Found, Failed> {
        let _ = (shared, key, now_ms, self.worker);
        Ok(Found::Nothing)
    }

    /// Asks to fetch what [`Store::look_up`] did not find, or to fetch anew what it found. After a look-up of the same key it
    /// costs one write.
    pub fn claim(&self, shared: &dyn SharedValues, key: &Key<'_>, fill: &Fill) -> Result<Claim, Failed> {
        let _ = (shared, key, fill);
        Ok(Claim::NoRoom)
    }

    /// Asks to be woken when what another worker fetches has come: its `wake_others` will be set. False: nobody fetches it any
    /// more, look again.
    pub fn follow(&self, shared: &dyn SharedValues, key: &Key<'_>, now_ms: u64) -> Result<bool, Failed> {
        let _ = (shared, key, now_ms);
        Ok(false)
    }

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
        let _ = (shared, token, key, kind, bytes, now_ms);
        Ok(Stored::Fenced)
    }

    /// Ends a fill that came to nothing. What was stored before stays.
    pub fn abandon(&self, shared: &dyn SharedValues, token: FillToken) -> Result<Ended, Failed> {
        let _ = (shared, token);
        Ok(Ended::default())
    }

    /// Ends a fill whose answer can't be stored, and remembers so until then. What was stored before is gone.
    pub fn hit_for_miss(
        &self,
        shared: &dyn SharedValues,
        token: FillToken,
        now_ms: u64,
        until_ms: u64,
    ) -> Result<Ended, Failed> {
        let _ = (shared, token, now_ms, until_ms);
        Ok(Ended::default())
    }

    /// Drops what is stored for a key, all that its [`Found::Vary`] led to, and what is being fetched for it: no look-up that
    /// begins later finds any of it.
    pub fn invalidate(&self, shared: &dyn SharedValues, key: &Key<'_>) -> Result<Ended, Failed> {
        let _ = (shared, key);
        Ok(Ended::default())
    }
}
