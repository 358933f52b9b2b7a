//! From a request to the events that it comes to, or to everything that is wrong with it.

use std::collections::BTreeSet;

use serde_json::Value;
use weir_policy::document::{Document, Identity};
use weir_policy::problem::Problem;

use crate::event::{Change, Revision};
use crate::reference;
use crate::refusal::{AppliedDocument, DocumentProblem, Outcome, Refusal};
use crate::state::State;

/// What a request comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The events to write; documents that are there already, the same, have none.
    pub changes: Vec<Change>,
    /// What becomes of each document, in the order of the request.
    pub documents: Vec<AppliedDocument>,
}

impl State {
    /// Checks documents, one by one, against one another and against those that are there.
    pub fn plan(&self, values: Vec<Value>) -> Result<Plan, Refusal> {
        let documents = read(values)?;
        self.check_revisions(&documents)?;
        let mut after = self.clone();
        for document in &documents {
            after.replace(&document.identity(), Some(document.clone()), self.revision() + 1);
        }
        let problems = reference::check(&after, &documents);
        if !problems.is_empty() {
            return Err(Refusal::Invalid(problems));
        }
        Ok(self.difference(&documents))
    }

    /// Checks that a document is there, at the revision expected, and that nothing needs it.
    pub fn plan_delete(&self, identity: &Identity, expected: Option<Revision>) -> Result<Change, Refusal> {
        let stored = self
            .get(identity)
            .ok_or_else(|| Refusal::NotFound(identity.clone()))?;
        if let Some(expected) = expected.filter(|expected| *expected != stored.revision) {
            return Err(Refusal::Stale {
                identity: identity.clone(),
                expected,
                current: stored.revision,
            });
        }
        let users = reference::users(self, identity);
        if !users.is_empty() {
            return Err(Refusal::InUse {
                identity: identity.clone(),
                users,
            });
        }
        Ok(Change::Delete {
            identity: identity.clone(),
        })
    }

    fn check_revisions(&self, documents: &[Document]) -> Result<(), Refusal> {
        for document in documents {
            let identity = document.identity();
            let current = self.get(&identity).map_or(0, |stored| stored.revision);
            if let Some(expected) = document.metadata.revision.filter(|expected| *expected != current) {
                return Err(Refusal::Stale {
                    identity,
                    expected,
                    current,
                });
            }
        }
        Ok(())
    }

    fn difference(&self, documents: &[Document]) -> Plan {
        let mut plan = Plan {
            changes: Vec::new(),
            documents: Vec::new(),
        };
        for document in documents {
            let document = without_revision(document.clone());
            let identity = document.identity();
            let outcome = match self.get(&identity) {
                None => Outcome::Created,
                Some(stored) if *stored.document == document => Outcome::Unchanged,
                Some(_) => Outcome::Changed,
            };
            if outcome != Outcome::Unchanged {
                plan.changes.push(Change::Put {
                    identity: identity.clone(),
                    document: document.to_value(),
                });
            }
            plan.documents.push(AppliedDocument { identity, outcome });
        }
        plan
    }
}

fn without_revision(mut document: Document) -> Document {
    document.metadata.revision = None;
    document
}

/// Reads every document; on failure the problems of all of them.
fn read(values: Vec<Value>) -> Result<Vec<Document>, Refusal> {
    let mut documents = Vec::new();
    let mut problems = Vec::new();
    let mut seen = BTreeSet::new();
    for (index, value) in values.into_iter().enumerate() {
        let named = described(&value);
        match Document::from_value(value) {
            Ok(document) if seen.insert(document.identity()) => documents.push(document),
            Ok(document) => problems.push(problem(
                index,
                Some(document.identity().to_string()),
                duplicate(&document),
            )),
            Err(found) => problems.extend(
                found
                    .into_iter()
                    .map(|found| problem(index, named.clone(), found)),
            ),
        }
    }
    if problems.is_empty() {
        Ok(documents)
    } else {
        Err(Refusal::Invalid(problems))
    }
}

pub(crate) fn problem(document: usize, identity: Option<String>, problem: Problem) -> DocumentProblem {
    DocumentProblem {
        document,
        identity,
        problem,
    }
}

fn duplicate(document: &Document) -> Problem {
    let detail = format!("{} stands twice in the request", document.identity());
    Problem::new("duplicate_document", "/metadata/name", detail)
}

/// What a document that can't be read says of itself.
fn described(value: &Value) -> Option<String> {
    let text = |pointer: &str| value.pointer(pointer)?.as_str();
    let namespace = text("/metadata/namespace").unwrap_or("default");
    Some(format!(
        "{} {namespace}/{}",
        text("/kind")?,
        text("/metadata/name")?
    ))
}
