//! From a test file to tests that can run.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use weir_core::refusal::DocumentProblem;
use weir_documents::{LoadedDocument, LocatedProblem, Place, Places};
use weir_policy::problem::{Problem, Problems, escape};
use weir_policy::typed::typed;

use super::{Action, ProxySpec, RequestStep, Step, Test};
use crate::error::PolicyTestError;
use crate::expectation::Expectation;
use crate::file::{DocumentSource, Documents, RequestSpec, StepKind, StepSpec, TestFile, TestSpec};
use crate::policies::{self, Policies};
use crate::proxy::Setup;

type Result<T> = std::result::Result<T, Vec<LocatedProblem>>;

/// A test file, and what its pointers lead to.
struct Source<'d> {
    document: &'d LoadedDocument,
    places: Places,
}

/// The tests of a file, or everything that is wrong with it.
pub(super) fn tests(document: &LoadedDocument) -> Result<Vec<Test>> {
    let source = Source {
        document,
        places: document.places(),
    };
    let file = source.read()?;
    let proxy = Arc::new(ProxySpec {
        policies: source.policies(&file)?,
        setup: Setup {
            workers: file.workers,
            seed: file.seed,
            backends: file.backends.clone(),
        },
    });
    let (mut tests, mut problems) = (Vec::new(), Vec::new());
    for (index, spec) in file.tests.iter().enumerate() {
        match source.test(&format!("/tests/{index}"), spec, &proxy) {
            Ok(test) => tests.push(test),
            Err(found) => problems.extend(found),
        }
    }
    problems.extend(source.unknown_backends(&file, &proxy.policies, &tests));
    if problems.is_empty() {
        Ok(tests)
    } else {
        Err(problems)
    }
}

impl Source<'_> {
    fn read(&self) -> Result<TestFile> {
        let file: TestFile = typed(self.document.value.clone(), "").map_err(|found| self.locate(found))?;
        let mut problems = Problems::default();
        file.check(&mut problems);
        match problems.into_vec() {
            found if found.is_empty() => Ok(file),
            found => Err(self.locate(found)),
        }
    }

    fn policies(&self, file: &TestFile) -> Result<Policies> {
        let paths = file.policies.iter().map(|path| self.folder().join(path));
        let loaded = policies::read(paths).map_err(|error| self.wrap("/policies", error))?;
        let gateway = file.gateway.as_ref().map(|name| &name.0);
        Policies::try_new(&loaded, gateway).map_err(|error| self.wrap("/gateway", error))
    }

    /// The folder that paths are relative to.
    fn folder(&self) -> &Path {
        let file = Path::new(&self.document.source.file.name);
        file.parent().unwrap_or(Path::new(""))
    }

    fn test(&self, pointer: &str, spec: &TestSpec, proxy: &Arc<ProxySpec>) -> Result<Test> {
        let mut in_force = proxy.policies.clone();
        let mut steps = Vec::new();
        for (index, step) in spec.steps.iter().enumerate() {
            let pointer = format!("{pointer}/steps/{index}");
            steps.push(Step {
                place: self.place(&pointer),
                action: self.action(&pointer, step, &mut in_force)?,
            });
        }
        Ok(Test {
            name: spec.name.clone(),
            file: self.document.source.file.name.clone(),
            place: self.place(pointer),
            proxy: Arc::clone(proxy),
            steps,
        })
    }

    /// What a step does, from the policies in force before it to those after it.
    fn action(&self, pointer: &str, step: &StepSpec, in_force: &mut Policies) -> Result<Action> {
        Ok(match step.kind() {
            Some(StepKind::Request(request, expect)) => request_step(request, expect),
            Some(StepKind::Advance(by)) => Action::Advance(Duration::from_millis(by.as_millis())),
            Some(StepKind::Metrics(expected)) => {
                Action::Metrics(expected.iter().map(|(name, one)| (name.clone(), *one)).collect())
            }
            Some(StepKind::Apply(documents)) => {
                let pointer = format!("{pointer}/apply");
                let loaded = self.documents(&pointer, documents)?;
                *in_force = in_force
                    .with(&loaded)
                    .map_err(|error| self.wrap(&pointer, error))?;
                Action::Apply(Box::new(in_force.clone()))
            }
            None => return Err(Vec::new()),
        })
    }

    fn documents(&self, pointer: &str, documents: &Documents) -> Result<Vec<LoadedDocument>> {
        let mut loaded = Vec::new();
        for (index, source) in documents.0.iter().enumerate() {
            let pointer = format!("{pointer}/{index}");
            match source {
                DocumentSource::Inline => loaded.extend(self.document.inner(&pointer)),
                DocumentSource::Path(path) => {
                    let read = policies::read([self.folder().join(path)]);
                    loaded.extend(read.map_err(|error| self.wrap(&pointer, error))?);
                }
            }
        }
        Ok(loaded)
    }

    /// Answers for upstreams that no test of the file has.
    fn unknown_backends(&self, file: &TestFile, policies: &Policies, tests: &[Test]) -> Vec<LocatedProblem> {
        let applied = tests
            .iter()
            .flat_map(|test| &test.steps)
            .filter_map(|step| match &step.action {
                Action::Apply(policies) => Some(&**policies),
                _ => None,
            });
        let known: BTreeSet<String> = std::iter::once(policies)
            .chain(applied)
            .flat_map(upstreams)
            .collect();
        let unknown = file.backends.keys().filter(|name| !known.contains(*name));
        let problem = |name: &String| {
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            let detail = format!(
                "no Backend or shard of the Gateway is named {name:?}: there are {}",
                known.join(", ")
            );
            Problem::new("unknown_backend", format!("/backends/{}", escape(name)), detail)
        };
        self.locate(unknown.map(problem).collect())
    }

    fn place(&self, pointer: &str) -> Place {
        let pointer = format!("{}{pointer}", self.document.source.pointer);
        self.places
            .nearest(&pointer)
            .unwrap_or(Place { line: 1, column: 1 })
    }

    /// What is wrong with documents stands in their files; all else, where the test file asks for them.
    fn wrap(&self, pointer: &str, error: PolicyTestError) -> Vec<LocatedProblem> {
        match error {
            PolicyTestError::Invalid(problems) => problems,
            other => self.locate(vec![Problem::new("unusable", pointer, other.to_string())]),
        }
    }

    fn locate(&self, problems: Vec<Problem>) -> Vec<LocatedProblem> {
        let of_document = |problem| DocumentProblem {
            document: 0,
            identity: None,
            problem,
        };
        let problems: Vec<DocumentProblem> = problems.into_iter().map(of_document).collect();
        let mut located = weir_documents::locate(&problems, std::slice::from_ref(self.document));
        located.sort_by_key(|problem| (problem.line, problem.column));
        located
    }
}

fn request_step(request: &RequestSpec, expect: Option<&Expectation>) -> Action {
    Action::Request(Box::new(RequestStep {
        request: request.to_request(),
        times: request.times,
        worker: request.worker,
        expect: expect.cloned().unwrap_or_default(),
    }))
}

/// The Backends and shards that an answer can be scripted for.
fn upstreams(policies: &Policies) -> Vec<String> {
    let names = policies.clusters().into_iter().flat_map(|cluster| {
        let shard = cluster.shard.map(|(shard, _)| shard.to_string());
        [Some(cluster.backend.to_string()), shard]
    });
    names.flatten().collect()
}
