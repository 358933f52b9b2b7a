//! What is kept of a request until its stream ends.

use weir_limiter::{Fields, Passed, Pending, Until};

/// What is kept of a request until its stream ends.
#[derive(Debug, Default)]
pub struct Exchange {
    passed: Passed,
}

impl Exchange {
    pub(crate) fn passed(&mut self, passed: Passed) {
        self.passed = passed;
    }

    /// What the answer is to be told, once.
    pub(crate) fn take_fields(&mut self) -> Option<Fields> {
        self.passed.fields.take()
    }

    pub(crate) fn pending(&self) -> &[Pending] {
        &self.passed.pending
    }

    /// Whether there is nothing to do at its end.
    pub(crate) fn is_settled(&self) -> bool {
        self.passed
            .pending
            .iter()
            .all(|pending| pending.until != Until::End)
    }
}
