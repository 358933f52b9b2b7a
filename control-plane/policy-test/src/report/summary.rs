//! For people.

use super::{Outcome, Report};

impl Report {
    /// Every failure, then `12 passed, 0 failed`.
    pub fn summary(&self) -> String {
        let failure = |test: &Outcome| Some(format!("FAILED {}\n{}\n\n", test.name, test.failure.as_ref()?));
        let failures: String = self.tests.iter().filter_map(failure).collect();
        format!("{failures}{} passed, {} failed\n", self.passed(), self.failed())
    }
}
