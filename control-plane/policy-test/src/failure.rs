//! Why a test failed.

use std::fmt;

use serde::Serialize;

use crate::mismatch::Mismatch;

/// The step at which a test failed, and everything there that was not as expected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The test file.
    pub file: String,
    /// The step's line, from 1.
    pub line: usize,
    /// The step's column, from 1, in characters.
    pub column: usize,
    /// Which step, from 1.
    pub step: usize,
    /// What the step did, and what came of it: `GET /orders, worker 0, at 0ns: 400 of the proxy`.
    pub what: String,
    /// What was not as expected.
    pub mismatches: Vec<Mismatch>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file, line, column, ..
        } = self;
        write!(f, "{file}:{line}:{column}: step {}: {}", self.step, self.what)?;
        for Mismatch { field, expected, got } in &self.mismatches {
            write!(f, "\n  {field}")?;
            write!(f, "\n    expected {}", indented(expected))?;
            write!(f, "\n    got      {}", indented(got))?;
        }
        Ok(())
    }
}

/// A text of several lines, each below the first.
fn indented(text: &str) -> String {
    text.trim_end().replace('\n', "\n             ")
}
