//! What comes of a request to change documents: what was done, or why nothing was.

use serde::{Deserialize, Serialize};
use weir_policy::document::Identity;
use weir_policy::name::Name;
use weir_policy::problem::Problem;

use crate::event::Revision;

/// What became of one document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It was not there before.
    Created,
    /// It replaced an older one.
    Changed,
    /// It was there already, the same; no event was written.
    Unchanged,
}

/// One document of a request and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AppliedDocument {
    /// Which.
    #[serde(flatten)]
    pub identity: Identity,
    /// What became of it.
    pub outcome: Outcome,
}

/// All documents of a request, taken together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// The store's revision afterwards.
    pub revision: Revision,
    /// In the order of the request.
    pub documents: Vec<AppliedDocument>,
}

/// One problem of one document of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DocumentProblem {
    /// The document's position in the request, from 0.
    pub document: usize,
    /// Which document, as far as it could be read: `ShardMap default/orders`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    /// What and where.
    #[serde(flatten)]
    pub problem: Problem,
}

/// Why nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Documents are wrong, or don't fit one another or those that are there (422).
    #[error("{} in the documents; nothing was changed", count(.0.len()))]
    Invalid(Vec<DocumentProblem>),
    /// The document is not there (404).
    #[error("{0} does not exist")]
    NotFound(Identity),
    /// The document has changed since the revision that the request names (409).
    #[error(
        "{identity} is at revision {current}, the request is for revision {expected}; nothing was changed"
    )]
    Stale {
        /// Which.
        identity: Identity,
        /// The revision in the request.
        expected: Revision,
        /// The revision in the store; 0: it is not there.
        current: Revision,
    },
    /// Others refer to the document that should go (409).
    #[error("{identity} is in use by {}; nothing was changed", list(users))]
    InUse {
        /// Which.
        identity: Identity,
        /// Who refers to it.
        users: Vec<Identity>,
    },
    /// A request that is about no document is wrong (422).
    #[error("{}; nothing was changed", each(.0))]
    Unfit(Vec<Problem>),
    /// Nothing is known of what the tag depends on (404).
    #[error("the tag {tag:?} has no dependencies in namespace \"{namespace}\"")]
    NoDependencies {
        /// Where.
        namespace: Name,
        /// Which.
        tag: String,
    },
    /// The store could not write (503).
    #[error("the store could not write: {0}")]
    Store(String),
}

impl Refusal {
    /// Its name in metrics.
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "invalid",
            Self::NotFound(_) => "not_found",
            Self::Stale { .. } => "stale",
            Self::InUse { .. } => "in_use",
            Self::Unfit(_) => "unfit",
            Self::NoDependencies { .. } => "no_dependencies",
            Self::Store(_) => "store",
        }
    }
}

fn count(problems: usize) -> String {
    if problems == 1 {
        "1 problem".to_owned()
    } else {
        format!("{problems} problems")
    }
}

/// The problems, each with its place.
fn each(problems: &[Problem]) -> String {
    let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
    texts.join("; ")
}

fn list(users: &[Identity]) -> String {
    users
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}
