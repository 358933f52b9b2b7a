//! What the workers of a process share, in memory.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use weir_cache_store::{Failed, SharedValues, StoreError};

/// Work of another worker's.
type Work<'w> = Box<dyn FnOnce(&World<'w>) + 'w>;
/// A value and its version, by key.
type Values = HashMap<Vec<u8>, (Vec<u8>, u32)>;

/// One process.
#[derive(Default)]
pub(crate) struct World<'w> {
    values: RefCell<Values>,
    versions: Cell<u32>,
    loads: Cell<usize>,
    stores: Cell<usize>,
    touches: Cell<usize>,
    loaded: Cell<usize>,
    /// Done just before the n-th store of all.
    before_store: RefCell<Vec<(usize, Work<'w>)>>,
    /// Each store fails, or each load.
    pub(crate) failing: Cell<bool>,
}

impl<'w> World<'w> {
    /// Before the `number`-th store from now on (counted from 0) another worker does `work`.
    pub(crate) fn before_store(&self, number: usize, work: impl FnOnce(&World<'w>) + 'w) {
        let number = self.stores.get() + number;
        self.before_store.borrow_mut().push((number, Box::new(work)));
    }

    /// What was not done yet is not done any more.
    pub(crate) fn forget_work(&self) {
        self.before_store.borrow_mut().clear();
    }

    /// How many values were read and written since this was asked last.
    pub(crate) fn calls(&self) -> (usize, usize) {
        (self.loads.take(), self.stores.take() + self.touches.take())
    }

    /// How many bytes were read since this was asked last.
    pub(crate) fn loaded_bytes(&self) -> usize {
        self.loaded.take()
    }

    /// Writes a value, whatever is there.
    pub(crate) fn put(&self, key: &[u8], value: &[u8]) {
        self.versions.set(self.versions.get() + 1);
        let value = (value.to_vec(), self.versions.get());
        self.values.borrow_mut().insert(key.to_vec(), value);
    }

    /// All keys.
    pub(crate) fn keys(&self) -> Vec<Vec<u8>> {
        self.values.borrow().keys().cloned().collect()
    }

    /// The lengths of all objects: their keys have thirteen bytes.
    pub(crate) fn object_lengths(&self) -> Vec<usize> {
        let values = self.values.borrow();
        let objects = values.iter().filter(|(key, _)| key.len() == 13);
        let lengths = objects.map(|(_, (bytes, _))| bytes.len());
        lengths.filter(|length| *length > 0).collect()
    }

    /// Bytes of all objects.
    pub(crate) fn object_bytes(&self) -> usize {
        self.object_lengths().iter().sum()
    }
}

impl SharedValues for World<'_> {
    fn load(&self, key: &[u8]) -> Result<Option<(Vec<u8>, u32)>, Failed> {
        self.loads.set(self.loads.get() + 1);
        if self.failing.get() {
            return Err(Failed);
        }
        let found = self.values.borrow().get(key).cloned();
        let bytes = found.as_ref().map_or(0, |(bytes, _)| bytes.len());
        self.loaded.set(self.loaded.get() + bytes);
        Ok(found)
    }

    fn touch(&self, key: &[u8]) -> Result<(), Failed> {
        if self.failing.get() {
            return Err(Failed);
        }
        self.touches.set(self.touches.get() + 1);
        self.put(key, &[]);
        Ok(())
    }

    fn store(&self, key: &[u8], value: &[u8], expected: Option<u32>) -> Result<(), StoreError> {
        let number = self.stores.get();
        self.stores.set(number + 1);
        let due = {
            let mut waiting = self.before_store.borrow_mut();
            let due = waiting.iter().position(|(at, _)| *at == number);
            due.map(|at| waiting.swap_remove(at).1)
        };
        if let Some(work) = due {
            work(self);
        }
        if self.failing.get() {
            return Err(StoreError::Failed);
        }
        let found = self.values.borrow().get(key).map(|(_, version)| *version);
        if found != expected {
            return Err(StoreError::Mismatch);
        }
        self.put(key, value);
        Ok(())
    }
}
