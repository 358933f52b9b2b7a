//! What was expected and did not hold.

use std::fmt::Display;

use serde::Serialize;

/// One field that was not as expected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mismatch {
    /// The field, as it stands in the expectation: `headers.x-user-id`.
    pub field: String,
    /// What was expected.
    pub expected: String,
    /// What was found.
    pub got: String,
}

/// Collects what does not hold.
#[derive(Default)]
pub(crate) struct Mismatches(pub(crate) Vec<Mismatch>);

impl Mismatches {
    /// Notes `field` unless it holds.
    pub(crate) fn check(
        &mut self,
        holds: bool,
        field: impl Display,
        expected: impl Display,
        got: impl Display,
    ) {
        if !holds {
            self.0.push(Mismatch {
                field: field.to_string(),
                expected: expected.to_string(),
                got: got.to_string(),
            });
        }
    }
}

/// A text in quotes, or `none`.
pub(crate) fn quoted(found: Option<&str>) -> String {
    found.map_or("none".to_owned(), |text| format!("{text:?}"))
}

/// A value, or `none`.
pub(crate) fn shown(found: Option<impl Display>) -> String {
    found.map_or("none".to_owned(), |value| value.to_string())
}
