//! What is wrong with a document, and where.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One thing wrong with a document: where, what, and what was expected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Machine-readable reason in snake case, stable, used as a metric label: `unknown_field`, `duplicate_shard`, …
    pub reason: String,
    /// JSON pointer (RFC 6901) to the field, within its document.
    pub pointer: String,
    /// What was found and what was expected, for people.
    pub detail: String,
}

impl Problem {
    /// A problem at `pointer`.
    pub fn new(reason: &str, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            reason: reason.to_owned(),
            pointer: pointer.into(),
            detail: detail.into(),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pointer = if self.pointer.is_empty() {
            "/"
        } else {
            &self.pointer
        };
        write!(f, "{pointer}: {}", self.detail)
    }
}

/// Collects problems while a document is walked; knows the pointer to where the walk stands.
#[derive(Debug, Default)]
pub struct Problems {
    found: Vec<Problem>,
    at: String,
}

impl Problems {
    /// Runs `walk` one step deeper, at `token` (a field name or an index).
    pub fn within(&mut self, token: impl fmt::Display, walk: impl FnOnce(&mut Self)) {
        let length = self.at.len();
        self.at.push('/');
        self.at.push_str(&escape(&token.to_string()));
        walk(self);
        self.at.truncate(length);
    }

    /// Notes a problem where the walk stands.
    pub fn note(&mut self, reason: &str, detail: impl Into<String>) {
        self.found.push(Problem::new(reason, self.at.clone(), detail));
    }

    /// Notes a problem at the child `token` of where the walk stands.
    pub fn note_at(&mut self, token: impl fmt::Display, reason: &str, detail: impl Into<String>) {
        self.within(token, |problems| problems.note(reason, detail));
    }

    /// Everything noted, in the order of the walk.
    pub fn into_vec(self) -> Vec<Problem> {
        self.found
    }
}

/// Escapes one reference token of a JSON pointer (RFC 6901 section 3).
pub fn escape(token: &str) -> String {
    token.replace('~', "~0").replace('/', "~1")
}
