//! A folder with documents and a test file.

use std::path::{Path, PathBuf};

use tempfile::TempDir;
use weir_policy_test::{Failure, Modules, Outcome, Report, Suite};

const GATEWAY: &str = "\
apiVersion: weir.dev/v1alpha1
kind: Gateway
metadata: {name: edge}
spec:
  listeners: [{port: 8080}]
  routes:
    - {name: status, match: [{path: {type: Exact, value: /status}}], backend: orders-a, timeout: 50ms}
    - {name: orders, match: [{path: {type: Prefix, value: /orders}}]}
";
const BACKEND: &str = "\
apiVersion: weir.dev/v1alpha1
kind: Backend
metadata: {name: NAME}
spec: {endpoints: [{address: 127.0.0.1, port: 9001, role: primary}]}
";
/// Bob's shard is a; with a shard more, d, it is that one.
const ORDERS: &str = "\
apiVersion: weir.dev/v1alpha1
kind: ShardMap
metadata: {name: orders}
spec:
  key: {sources: [{header: x-user-id}]}
  strategy: {hash: {algorithm: ring-v1}}
  reads: replicas
  shards:
    - {name: a, backend: orders-a}
    - {name: b, backend: orders-b}
    - {name: c, backend: orders-c}
";

pub(crate) fn backend(name: &str) -> String {
    BACKEND.replace("NAME", name)
}

/// The map with a fourth shard.
pub(crate) fn grown() -> String {
    format!("{ORDERS}    - {{name: d, backend: orders-d}}\n")
}

/// A folder with `orders.yaml`, and `policy-tests/t.yaml` with a text.
pub(crate) struct Fixture {
    folder: TempDir,
}

impl Fixture {
    pub(crate) fn new(test_file: &str) -> Self {
        let backends: Vec<String> = ["orders-a", "orders-b", "orders-c"].map(backend).into();
        let documents = [GATEWAY, ORDERS].map(str::to_owned).into_iter().chain(backends);
        let folder = TempDir::new().unwrap();
        let fixture = Self { folder };
        fixture.write("orders.yaml", &documents.collect::<Vec<_>>().join("---\n"));
        fixture.write("policy-tests/t.yaml", test_file);
        fixture
    }

    /// One test of these steps, each indented by six.
    pub(crate) fn of_steps(steps: &str) -> Self {
        Self::new(&format!("tests:\n  - name: one\n    steps:\n{steps}"))
    }

    pub(crate) fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        std::fs::create_dir_all(self.at(name).parent().unwrap()).unwrap();
        std::fs::write(self.at(name), text).unwrap();
    }

    pub(crate) fn suite(&self) -> Suite {
        Suite::load(&[self.at("policy-tests")]).unwrap_or_else(|error| panic!("{error}"))
    }

    pub(crate) fn run(&self) -> Report {
        self.suite().run(&modules(), &mut |_| ())
    }

    /// Why the only test failed.
    pub(crate) fn failure(&self) -> Option<Failure> {
        let Report { mut tests } = self.run();
        assert_eq!(tests.len(), 1);
        let Outcome { failure, .. } = tests.remove(0);
        failure
    }

    /// How the failure of the only test reads, without the folder.
    pub(crate) fn failure_text(&self) -> String {
        let failure = self.failure().expect("a failure").to_string();
        self.without_folder(&failure)
    }

    /// What keeps the file from being run, without the folder.
    pub(crate) fn refusal(&self) -> String {
        let error = Suite::load(&[self.at("policy-tests")]).expect_err("a refusal");
        self.without_folder(&error.to_string())
    }

    pub(crate) fn without_folder(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.folder.path().display()), "")
    }
}

pub(crate) fn modules() -> Modules {
    Modules::packed().unwrap_or_else(|error| panic!("{error}"))
}

/// The sample's folder.
pub(crate) fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/sample")
}
