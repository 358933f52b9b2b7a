//! What keeps a file from being run, told where it stands.

use weir_policy_test::{Modules, PolicyTestError, Suite};

use crate::fixture::{Fixture, backend, grown};

/// A test file's text is refused with these lines, each about `policy-tests/t.yaml`.
fn refused(text: &str, expected: &[&str]) {
    let expected: Vec<String> = expected
        .iter()
        .map(|line| format!("policy-tests/t.yaml:{line}"))
        .collect();
    assert_eq!(Fixture::new(text).refusal(), expected.join("\n"), "{text}");
}

#[test]
fn unknown_fields_are_named_all_at_once() {
    refused(
        "tests:\n  - name: one\n    step: []\n    steps:\n      - request: {path: /, heders: {}}\n        expect: {stats: 1}\n",
        &[
            "3:11: /tests/0/step: unknown field `step`, expected `name` or `steps`",
            "5:36: /tests/0/steps/0/request/heders: unknown field `heders`, expected one of `method`, `path`, `host`, `from`, `headers`, `body`, `worker`, `times`",
            "6:25: /tests/0/steps/0/expect/stats: unknown field `stats`, expected one of `status`, `headers`, `body`, `bodyJson`, `shard`, `cluster`, `upstream`, `cached`, `limited`, `hedged`, `hedgeDelay`",
        ],
    );
}

#[test]
fn a_step_is_one_thing() {
    refused(
        "tests:\n  - name: one\n    steps:\n      - {advance: 1s, request: {path: /}}\n      - {}\n      - {advance: 1s, expect: {}}\n",
        &[
            "4:9: /tests/0/steps/0: expected exactly one of request, advance, apply and metrics",
            "5:9: /tests/0/steps/1: expected exactly one of request, advance, apply and metrics",
            "6:31: /tests/0/steps/2/expect: nothing is expected of a step without a request",
        ],
    );
}

#[test]
fn values_out_of_range_are_named() {
    refused(
        "workers: 2\nbackends: {a: {status: 99}}\ntests:\n  - name: one\n    steps:\n      - request: {path: x, worker: 2, times: 0}\n  - {name: two, steps: []}\n",
        &[
            "2:24: /backends/a/status: status 99: expected 200 to 599",
            "6:25: /tests/0/steps/0/request/path: \"x\" is not a path: expected a leading \"/\"",
            "6:36: /tests/0/steps/0/request/worker: worker 2: there are 2, counted from 0",
            "6:46: /tests/0/steps/0/request/times: 0 times: expected 1 to 100000",
            "7:24: /tests/1/steps: a test needs at least one step",
        ],
    );
    refused(
        "workers: 0\ntests: []\n",
        &["1:10: /workers: 0 workers: expected 1 to 64"],
    );
}

#[test]
fn a_metric_has_a_name() {
    refused(
        "tests:\n  - name: one\n    steps:\n      - metrics: {'up{': 1}\n",
        &[
            "4:26: /tests/0/steps/0/metrics/up{: \"up{\" is not a metric: expected a name as Envoy shows it, or name{label=\"value\"} with labels of filter, call, outcome, map, policy, limit, shard",
        ],
    );
}

#[test]
fn an_address_is_one() {
    let request = |from: &str| {
        format!("tests:\n  - name: one\n    steps:\n      - request: {{path: /, from: {from}}}\n")
    };
    for from in ["localhost", "203.0.113", "'203.0.113.7:80'", "203.0.113.0/24"] {
        let refusal = Fixture::new(&request(from)).refusal();
        let expected = "policy-tests/t.yaml:4:34: /tests/0/steps/0/request/from: invalid IP address syntax";
        assert_eq!(refusal, expected, "{from}");
    }
}

#[test]
fn texts_are_no_numbers() {
    refused(
        "tests:\n  - name: one\n    steps:\n      - request: {path: /, headers: {x-user-id: 007}}\n",
        &[
            "4:49: /tests/0/steps/0/request/headers/x-user-id: expected a text, found 7.0: what is in quotes is a text",
        ],
    );
}

#[test]
fn an_upstream_that_is_not_there_is_named() {
    refused(
        "backends: {z: {}}\ntests: []\n",
        &[
            "1:15: /backends/z: no Backend or shard of the Gateway is named \"z\": there are a, b, c, orders-a, orders-b, orders-c",
        ],
    );
}

#[test]
fn a_gateway_has_to_be_there() {
    refused(
        "gateway: default/other\ntests: []\n",
        &["1:10: /gateway: Gateway default/other is not in the documents: default/edge"],
    );
    refused(
        "gateway: edge\ntests: []\n",
        &["1:10: /gateway: \"edge\" is not a Gateway: expected NAMESPACE/NAME, like default/edge"],
    );
}

#[test]
fn documents_have_to_be_there() {
    refused(
        "policies: [missing.yaml]\ntests: []\n",
        &["1:11: /policies: policy-tests/missing.yaml: cannot read: No such file or directory (os error 2)"],
    );
}

#[test]
fn wrong_documents_are_named_where_they_stand() {
    let fixture = Fixture::new("policies: [../orders.yaml, ../more.yaml]\ntests: []\n");
    fixture.write(
        "more.yaml",
        "apiVersion: weir.dev/v1alpha1\nkind: Gatway\nmetadata: {name: x}\nspec: {}\n",
    );
    let expected = "policy-tests/../more.yaml:2:7: /kind: unknown kind \"Gatway\"";
    assert!(fixture.refusal().starts_with(expected), "{}", fixture.refusal());
}

#[test]
fn documents_of_a_step_are_checked_before_anything_runs() {
    let indented = grown().replace('\n', "\n            ");
    refused(
        &format!("tests:\n  - name: one\n    steps:\n      - apply:\n          - {indented}"),
        &["16:38: /spec/shards/3/backend: there is no Backend \"orders-d\" in namespace \"default\""],
    );
    let fixture = Fixture::of_steps("      - apply: [../later/grown.yaml]\n");
    fixture.write("later/grown.yaml", &grown());
    let refusal = fixture.refusal();
    assert!(
        refusal.starts_with("policy-tests/../later/grown.yaml:12:26: /spec/shards/3/backend: "),
        "{refusal}"
    );
    fixture.write(
        "later/grown.yaml",
        &format!("{}---\n{}", grown(), backend("orders-d")),
    );
    fixture.suite();
}

#[test]
fn what_is_no_yaml_and_what_is_empty_is_told() {
    let fixture = Fixture::new("tests: [\n");
    assert!(
        fixture.refusal().starts_with("policy-tests/t.yaml:"),
        "{}",
        fixture.refusal()
    );
    fixture.write("policy-tests/t.yaml", "# nothing\n");
    assert_eq!(fixture.refusal(), "policy-tests/t.yaml: holds no document");
    fixture.write("policy-tests/t.yaml", "tests: []\n");
    assert!(fixture.suite().tests().is_empty());
}

#[test]
fn every_wrong_file_is_told() {
    let fixture = Fixture::new("workers: 0\ntests: []\n");
    fixture.write("policy-tests/u.yaml", "workers: 65\ntests: []\n");
    let files: Vec<_> = ["t", "u"]
        .map(|name| fixture.at(&format!("policy-tests/{name}.yaml")))
        .into();
    let error = Suite::load(&files).unwrap_err();
    assert_eq!(error.to_string().lines().count(), 2, "{error}");
}

#[test]
fn a_missing_module_is_named() {
    let fixture = Fixture::new("tests: []\n");
    let error = Modules::load(&fixture.at("")).unwrap_err();
    assert!(matches!(error, PolicyTestError::MissingModule { .. }), "{error}");
    let first = weir_core::slot::filters().next().unwrap();
    let expected = format!("no module of {first:?} in ");
    assert!(error.to_string().starts_with(&expected), "{error}");
    fixture.write(
        "modules.json",
        &format!("{{\"modules\": {{{first:?}: {{\"sha256\": \"ab\", \"size\": 1}}}}}}"),
    );
    let error = Modules::load(&fixture.at("")).unwrap_err();
    assert!(matches!(error, PolicyTestError::MissingModule { .. }), "{error}");
    fixture.write("ab.wasm", "x");
    let error = Modules::load(&fixture.at("")).unwrap_err();
    assert!(matches!(error, PolicyTestError::Host(_)), "{error}");
    fixture.write("modules.json", "{");
    let error = Modules::load(&fixture.at("")).unwrap_err();
    assert!(error.to_string().contains("modules.json: "), "{error}");
}
