//! The Test Anything Protocol, version 14: <https://testanything.org/tap-version-14-specification.html>.

use serde_json::json;

use super::{Outcome, Report};
use crate::failure::Failure;

impl Report {
    /// One test point a test, with a YAML block for each that failed.
    pub fn tap(&self) -> String {
        let points = (1..).zip(&self.tests).map(|(number, test)| point(number, test));
        format!(
            "TAP version 14\n1..{}\n{}",
            self.tests.len(),
            points.collect::<String>()
        )
    }
}

fn point(number: usize, test: &Outcome) -> String {
    let result = if test.failure.is_some() { "not ok" } else { "ok" };
    let title = escape(&format!("{}: {}", test.file, test.name));
    let block = test.failure.as_ref().map(block).unwrap_or_default();
    format!("{result} {number} - {title}\n{block}")
}

/// A description is one line, and `#` would begin a directive.
fn escape(text: &str) -> String {
    let text = text.replace('\\', "\\\\").replace('#', "\\#");
    text.replace(['\n', '\r'], " ")
}

/// JSON is YAML (YAML 1.2 section 1.2).
fn block(failure: &Failure) -> String {
    let fields = [
        ("message", json!(failure.what)),
        (
            "at",
            json!({"file": failure.file, "line": failure.line, "column": failure.column}),
        ),
        ("step", json!(failure.step)),
        ("mismatches", json!(failure.mismatches)),
    ];
    let lines: String = fields
        .iter()
        .map(|(name, value)| format!("  {name}: {value}\n"))
        .collect();
    format!("  ---\n{lines}  ...\n")
}
