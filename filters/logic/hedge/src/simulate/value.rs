//! Shared data of a process that is simulated.

use std::cell::RefCell;

use crate::shared::{SharedError, SharedValue};

/// A value of shared data.
#[derive(Debug, Default)]
pub(super) struct Value(RefCell<Option<(Vec<u8>, u32)>>);

impl SharedValue for Value {
    fn load(&self) -> Result<Option<(Vec<u8>, u32)>, SharedError> {
        Ok(self.0.borrow().clone())
    }

    fn store(&self, bytes: &[u8], expected: Option<u32>) -> Result<(), SharedError> {
        let mut value = self.0.borrow_mut();
        if value.as_ref().map(|(_, version)| *version) != expected {
            return Err(SharedError::Busy);
        }
        *value = Some((bytes.to_vec(), expected.map_or(1, |version| version + 1)));
        Ok(())
    }
}
