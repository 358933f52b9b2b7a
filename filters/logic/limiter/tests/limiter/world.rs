//! Buckets in memory, and what was counted.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use weir_limiter::{CellError, Cells, Fingerprint, Found, Tallied, Tally};

/// One process: what its workers share, and what they counted.
#[derive(Default)]
pub(crate) struct World {
    buckets: RefCell<BTreeMap<u32, (Vec<u8>, u64)>>,
    versions: Cell<u64>,
    /// What a new reading of the clock gives; none: it can't be read.
    clock: Cell<Option<u64>>,
    calls: Cell<usize>,
    /// What the n-th call does instead, counted from 0.
    failing: RefCell<BTreeMap<usize, CellError>>,
    #[allow(clippy::type_complexity, reason = "work, by the call before which it is done")]
    between: RefCell<BTreeMap<usize, Box<dyn FnOnce(&World)>>>,
    tallied: RefCell<Vec<(usize, usize, Tallied)>>,
    demanded: RefCell<Vec<(usize, usize, Fingerprint, u64)>>,
    evicted: Cell<usize>,
}

impl World {
    /// The `number`-th call from now on ends in `error`.
    pub(crate) fn fail(&self, number: usize, error: CellError) {
        self.failing.borrow_mut().insert(self.calls.get() + number, error);
    }

    /// Before the `number`-th call from now on another worker does `work`.
    pub(crate) fn before(&self, number: usize, work: impl FnOnce(&Self) + 'static) {
        let number = self.calls.get() + number;
        self.between.borrow_mut().insert(number, Box::new(work));
    }

    /// The clock is at `now`, whatever a worker has read before.
    pub(crate) fn set_clock(&self, now: u64) {
        self.clock.set(Some(now));
    }

    /// How many calls were made.
    pub(crate) fn calls(&self) -> usize {
        self.calls.get()
    }

    /// Writes a bucket, whatever is there.
    pub(crate) fn put(&self, bucket: u32, bytes: &[u8]) {
        self.versions.set(self.versions.get() + 1);
        let value = (bytes.to_vec(), self.versions.get());
        self.buckets.borrow_mut().insert(bucket, value);
    }

    /// All buckets.
    pub(crate) fn buckets(&self) -> BTreeMap<u32, Vec<u8>> {
        let buckets = self.buckets.borrow();
        buckets
            .iter()
            .map(|(number, (bytes, _))| (*number, bytes.clone()))
            .collect()
    }

    /// The fingerprints in all buckets.
    pub(crate) fn keys(&self) -> Vec<Fingerprint> {
        let entry = |entry: &[u8]| Fingerprint(u64::from_le_bytes(entry[..8].try_into().unwrap()));
        let buckets = self.buckets();
        buckets
            .values()
            .flat_map(|bytes| bytes.chunks(24).map(entry))
            .collect()
    }

    /// What limits had to say since the last time this was asked.
    pub(crate) fn tallied(&self) -> Vec<(usize, usize, Tallied)> {
        self.tallied.take()
    }

    /// What was asked for since the last time this was asked.
    pub(crate) fn demanded(&self) -> Vec<(usize, usize, Fingerprint, u64)> {
        self.demanded.take()
    }

    /// How many keys had to go.
    pub(crate) fn evictions(&self) -> usize {
        self.evicted.get()
    }

    fn call(&self) -> Result<(), CellError> {
        let number = self.calls.get();
        self.calls.set(number + 1);
        let work = self.between.borrow_mut().remove(&number);
        if let Some(work) = work {
            work(self);
        }
        match self.failing.borrow_mut().remove(&number) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

impl Cells for World {
    type Version = u64;

    fn load(&self, bucket: u32) -> Result<Found<u64>, CellError> {
        self.call()?;
        Ok(self.buckets.borrow().get(&bucket).cloned())
    }

    fn now(&self) -> Result<u64, CellError> {
        self.clock.get().ok_or(CellError::Failed)
    }

    fn store(&self, bucket: u32, bytes: &[u8], loaded: Option<u64>) -> Result<(), CellError> {
        self.call()?;
        let found = self.buckets.borrow().get(&bucket).map(|(_, version)| *version);
        if found != loaded {
            return Err(CellError::Moved);
        }
        self.put(bucket, bytes);
        Ok(())
    }
}

impl Tally for World {
    fn tally(&self, policy: usize, limit: usize, what: Tallied) {
        self.tallied.borrow_mut().push((policy, limit, what));
    }

    fn evicted(&self) {
        self.evicted.set(self.evicted.get() + 1);
    }

    fn demanded(&self, policy: usize, limit: usize, key: Fingerprint, units: u64) {
        self.demanded.borrow_mut().push((policy, limit, key, units));
    }
}
