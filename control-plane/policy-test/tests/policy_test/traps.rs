//! A filter that traps fails its test, whatever is expected.

use tempfile::TempDir;
use weir_policy_test::{Failure, Modules, Policies, PolicyTestError, Proxy, Request, Setup};

use crate::fixture::Fixture;

/// A filter that does nothing.
const IDLE: &str = "(module (memory (export \"memory\") 1) (func (export \"proxy_abi_version_0_2_1\")))";

/// A filter of this text in the place of shard-router; the others do nothing.
fn shard_router(text: &str) -> (TempDir, Modules) {
    let folder = TempDir::new().unwrap();
    for filter in weir_core::slot::filters() {
        let text = if filter == "shard-router" { text } else { IDLE };
        let file = folder.path().join(format!("{filter}.wasm"));
        std::fs::write(file, wat::parse_str(text).unwrap()).unwrap();
    }
    let modules = Modules::load(folder.path()).unwrap();
    (folder, modules)
}

/// A filter in the place of shard-router that traps in one callback.
fn trapping(callback: &str, params: &str) -> (TempDir, Modules) {
    let text = format!(
        "(module
           (memory (export \"memory\") 1)
           (func (export \"proxy_abi_version_0_2_1\"))
           (func (export \"malloc\") (param i32) (result i32) (i32.const 1024))
           (func (export \"{callback}\") {params} unreachable))"
    );
    shard_router(&text)
}

/// Why a test fails whose expectations all hold.
fn failure(modules: &Modules) -> Failure {
    let steps = "      - request: {path: /nowhere}\n      - advance: 1s\n";
    let report = Fixture::of_steps(steps).suite().run(modules, &mut |_| ());
    report.tests[0].failure.clone().expect("a failure")
}

#[test]
fn a_trap_in_a_request_fails_the_step() {
    for (callback, params) in [
        ("proxy_on_request_headers", "(param i32 i32 i32) (result i32)"),
        ("proxy_on_response_headers", "(param i32 i32 i32) (result i32)"),
        ("proxy_on_log", "(param i32)"),
    ] {
        let (_folder, modules) = trapping(callback, params);
        let failure = failure(&modules);
        let mismatch = &failure.mismatches[0];
        assert_eq!((failure.step, failure.mismatches.len()), (1, 1), "{failure}");
        assert_eq!(
            (mismatch.field.as_str(), mismatch.expected.as_str()),
            ("filters", "no error")
        );
        assert!(
            mismatch.got.contains(callback) && mismatch.got.contains("unreachable"),
            "{failure}"
        );
    }
}

#[test]
fn a_filter_that_refuses_its_configuration_fails_the_test() {
    let text = "(module
       (memory (export \"memory\") 1)
       (func (export \"proxy_abi_version_0_2_1\"))
       (func (export \"proxy_on_configure\") (param i32 i32) (result i32) (i32.const 0)))";
    let (_folder, modules) = shard_router(text);
    let failure = failure(&modules);
    assert!(failure.to_string().contains("configuration refused"), "{failure}");
    assert_eq!(failure.what, "the start of the proxy");
}

#[test]
fn a_change_that_costs_a_vm_is_told() {
    let (_folder, modules) = trapping("proxy_on_request_headers", "(param i32 i32 i32) (result i32)");
    let fixture = Fixture::new("tests: []\n");
    let policies = Policies::load([fixture.at("orders.yaml")]).unwrap();
    let mut proxy = Proxy::start(&policies, &modules, Setup::default()).unwrap();
    proxy.request_on(1, &Request::get("/")).unwrap_err();
    fixture.write(
        "grown.yaml",
        &crate::fixture::backend("orders-a").replace("9001", "9002"),
    );
    fixture.write(
        "map.yaml",
        &crate::fixture::grown().replace("orders-d", "orders-a"),
    );
    let documents = weir_documents::load(&[fixture.at("map.yaml")]).unwrap();
    let changed = policies.with(&documents).unwrap();
    let error = proxy.apply(&changed).unwrap_err();
    assert!(
        matches!(error, PolicyTestError::NewVm { worker: 1, .. }),
        "{error}"
    );
}
