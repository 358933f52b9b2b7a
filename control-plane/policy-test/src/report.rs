//! What came of a run.

mod junit;
mod summary;
mod tap;

use serde::Serialize;

use crate::failure::Failure;

/// What came of every test, in the order of the suite.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Report {
    /// The tests.
    pub tests: Vec<Outcome>,
}

/// What came of one test.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// The test's name.
    pub name: String,
    /// Its file.
    pub file: String,
    /// The line at which it begins, from 1.
    pub line: usize,
    /// How long it took, in real time.
    pub seconds: f64,
    /// Why it failed; none: it passed.
    pub failure: Option<Failure>,
}

impl Report {
    /// How many tests passed.
    pub fn passed(&self) -> usize {
        self.tests.len() - self.failed()
    }

    /// How many tests failed.
    pub fn failed(&self) -> usize {
        self.tests.iter().filter(|test| test.failure.is_some()).count()
    }
}
