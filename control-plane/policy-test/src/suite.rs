//! Test files, read, checked and ready to run.

mod prepare;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use weir_documents::Place;

use crate::error::PolicyTestError;
use crate::expectation::{Expectation, NumberMatch};
use crate::policies::Policies;
use crate::proxy::Setup;
use crate::request::Request;

/// Every test of some files.
#[derive(Clone, Debug)]
pub struct Suite {
    tests: Vec<Test>,
}

/// One test: a proxy of its own, and steps.
#[derive(Clone, Debug)]
pub struct Test {
    name: String,
    file: String,
    place: Place,
    pub(crate) proxy: Arc<ProxySpec>,
    pub(crate) steps: Vec<Step>,
}

/// The proxies of a file's tests.
#[derive(Clone, Debug)]
pub(crate) struct ProxySpec {
    pub(crate) policies: Policies,
    pub(crate) setup: Setup,
}

/// One step, and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) place: Place,
    pub(crate) action: Action,
}

/// What a step does.
#[derive(Clone, Debug)]
pub(crate) enum Action {
    Request(Box<RequestStep>),
    Advance(Duration),
    /// The policies that are in force from now on.
    Apply(Box<Policies>),
    Metrics(Vec<(String, NumberMatch)>),
}

/// A request, how often, on which worker (none: they take turns), and what is expected of each.
#[derive(Clone, Debug)]
pub(crate) struct RequestStep {
    pub(crate) request: Request,
    pub(crate) times: u32,
    pub(crate) worker: Option<usize>,
    pub(crate) expect: Expectation,
}

impl Suite {
    /// Reads test files: YAML or JSON, files or folders, in their order. The policies that they name are read, checked
    /// and compiled, those of `apply` steps included.
    ///
    /// # Errors
    /// Everything that is wrong in any of the files, and in the documents that they name.
    pub fn load(paths: &[PathBuf]) -> Result<Self, PolicyTestError> {
        let (mut tests, mut problems) = (Vec::new(), Vec::new());
        for document in weir_documents::load(paths)? {
            match prepare::tests(&document) {
                Ok(found) => tests.extend(found),
                Err(found) => problems.extend(found),
            }
        }
        if problems.is_empty() {
            Ok(Self { tests })
        } else {
            Err(PolicyTestError::Invalid(problems))
        }
    }

    /// Leaves out every test whose file and name, `FILE: NAME`, don't contain `text`.
    pub fn keep(&mut self, text: &str) {
        self.tests.retain(|test| test.title().contains(text));
    }

    /// The tests, in the order of their files.
    pub fn tests(&self) -> &[Test] {
        &self.tests
    }
}

impl Test {
    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The line at which it begins, from 1.
    pub fn line(&self) -> usize {
        self.place.line
    }

    /// `FILE: NAME`.
    pub fn title(&self) -> String {
        format!("{}: {}", self.file, self.name)
    }
}
