//! Test files, as people write them.

mod step;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use weir_core::node::GatewayRef;
use weir_policy::problem::Problems;

pub(crate) use step::{DocumentSource, Documents, RequestSpec, StepKind, StepSpec};

use crate::answer::Answer;

/// The most workers of a proxy.
const MAX_WORKERS: usize = 64;

/// A test file.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TestFile {
    /// Files and folders with documents, relative to this file's folder; absent: the folder around that one.
    #[serde(default = "folder_around")]
    pub(crate) policies: Vec<PathBuf>,
    /// Absent: the only one.
    #[serde(default)]
    pub(crate) gateway: Option<GatewayName>,
    #[serde(default = "two")]
    pub(crate) workers: usize,
    #[serde(default)]
    pub(crate) seed: u64,
    #[serde(default)]
    pub(crate) backends: BTreeMap<String, Answer>,
    pub(crate) tests: Vec<TestSpec>,
}

/// One test.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TestSpec {
    pub(crate) name: String,
    pub(crate) steps: Vec<StepSpec>,
}

/// `namespace/name`.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct GatewayName(pub(crate) GatewayRef);

impl TryFrom<String> for GatewayName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let gateway = GatewayRef::parse(&text);
        gateway
            .map(Self)
            .ok_or_else(|| format!("{text:?} is not a Gateway: expected NAMESPACE/NAME, like default/edge"))
    }
}

fn folder_around() -> Vec<PathBuf> {
    vec![PathBuf::from("..")]
}

fn two() -> usize {
    2
}

impl TestFile {
    /// Notes everything wrong that types don't show.
    pub(crate) fn check(&self, problems: &mut Problems) {
        if self.workers == 0 || self.workers > MAX_WORKERS {
            let detail = format!("{} workers: expected 1 to {MAX_WORKERS}", self.workers);
            problems.note_at("workers", "out_of_range", detail);
        }
        problems.within("backends", |problems| {
            for (name, answer) in &self.backends {
                problems.within(name, |problems| answer.check(problems));
            }
        });
        problems.within("tests", |problems| {
            for (index, test) in self.tests.iter().enumerate() {
                problems.within(index, |problems| test.check(self.workers, problems));
            }
        });
    }
}

impl TestSpec {
    fn check(&self, workers: usize, problems: &mut Problems) {
        if self.steps.is_empty() {
            problems.note_at("steps", "no_steps", "a test needs at least one step");
        }
        problems.within("steps", |problems| {
            for (index, step) in self.steps.iter().enumerate() {
                problems.within(index, |problems| step.check(workers, problems));
            }
        });
    }
}
