//! What is refused, where, and why: one document in, the pointers and reasons out.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use proptest::prelude::*;
use serde_json::{Value, json};
use weir_policy::document::{Document, Kind};

fn shard_map() -> Value {
    json!({
        "apiVersion": "weir.dev/v1alpha1",
        "kind": "ShardMap",
        "metadata": {"name": "orders"},
        "spec": {
            "targetRefs": [{"group": "weir.dev", "kind": "Gateway", "name": "edge", "sectionName": "api"}],
            "match": [{"host": "*.example.com", "path": {"type": "Prefix", "value": "/orders"}, "methods": ["GET"],
                       "headers": [{"name": "x-tenant", "value": "a"}]}],
            "key": {
                "sources": [{"header": "x-user-id"}, {"query": "user"}, {"path": {"template": "/users/{id}/**"}}],
                "onMissingKey": {"defaultShard": "a"},
                "maxSize": "1KiB"
            },
            "strategy": {"hash": {"algorithm": "ring-v1"}},
            "shards": [{"name": "a", "backend": "orders-a"}, {"name": "b", "weight": 2, "backend": "orders-b"}]
        }
    })
}

fn backend() -> Value {
    json!({
        "apiVersion": "weir.dev/v1alpha1",
        "kind": "Backend",
        "metadata": {"namespace": "shop", "name": "orders-a", "labels": {"team": "orders"}},
        "spec": {
            "endpoints": [{"address": "127.0.0.1", "port": 9101, "role": "primary"}, {"address": "::1", "port": 9102}],
            "healthCheck": {"path": "/healthz", "interval": "1s"},
            "outlierDetection": {}
        }
    })
}

fn gateway() -> Value {
    json!({
        "apiVersion": "weir.dev/v1alpha1",
        "kind": "Gateway",
        "metadata": {"name": "edge"},
        "spec": {
            "listeners": [{"port": 10000}],
            "routes": [
                {"name": "static", "match": [{"path": {"type": "Prefix", "value": "/static"}}], "backend": "static"},
                {"name": "api", "timeout": "5s"}
            ]
        }
    })
}

fn envoy_resource() -> Value {
    json!({
        "apiVersion": "weir.dev/v1alpha1",
        "kind": "EnvoyResource",
        "metadata": {"name": "extra"},
        "spec": {"resource": {"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": "extra"}}
    })
}

/// `(pointer, reason)` of every problem of `base` with `value` at `pointer` (`null`: with the field taken out).
fn problems_with(base: Value, pointer: &str, value: Value) -> Vec<(String, String)> {
    let mut document = base;
    set(&mut document, pointer, value);
    let problems = Document::from_value(document).expect_err("accepted");
    problems
        .into_iter()
        .map(|problem| (problem.pointer, problem.reason))
        .collect()
}

fn set(document: &mut Value, pointer: &str, value: Value) {
    let (parent, token) = pointer.rsplit_once('/').unwrap();
    match document.pointer_mut(parent).expect("the parent is there") {
        Value::Object(fields) if value.is_null() => {
            fields.remove(token);
        }
        Value::Object(fields) => {
            fields.insert(token.to_owned(), value);
        }
        Value::Array(items) => items[token.parse::<usize>().unwrap()] = value,
        other => panic!("{other} has no {token}"),
    }
}

#[track_caller]
fn check(base: Value, pointer: &str, value: Value, at: &str, reason: &str) {
    assert_eq!(
        problems_with(base, pointer, value),
        [(at.to_owned(), reason.to_owned())]
    );
}

#[test]
fn good_documents_are_taken_and_written_back_the_same() {
    for good in [shard_map(), backend(), gateway(), envoy_resource()] {
        let document = Document::from_value(good).unwrap();
        assert_eq!(Document::from_value(document.to_value()).unwrap(), document);
    }
}

#[test]
fn status_is_accepted_and_dropped() {
    let mut document = backend();
    set(&mut document, "/status", json!({"anything": 1}));
    assert_eq!(
        Document::from_value(document).unwrap(),
        Document::from_value(backend()).unwrap()
    );
}

#[test]
fn the_outer_shape() {
    check(
        backend(),
        "/apiVersion",
        json!("weir.dev/v2"),
        "/apiVersion",
        "unknown_api_version",
    );
    check(backend(), "/kind", json!("Backends"), "/kind", "unknown_kind");
    check(
        backend(),
        "/metadata/name",
        json!("No.Dots"),
        "/metadata/name",
        "invalid_name",
    );
    check(backend(), "/extra", json!(1), "/extra", "unknown_field");
    check(backend(), "/spec", Value::Null, "", "missing_field");
}

#[test]
fn shard_maps() {
    let bad =
        |pointer: &str, value: Value, at: &str, reason: &str| check(shard_map(), pointer, value, at, reason);
    bad(
        "/spec/shards/1/name",
        json!("a"),
        "/spec/shards/1/name",
        "duplicate_shard",
    );
    bad(
        "/spec/shards/1/weight",
        json!(0),
        "/spec/shards/1/weight",
        "weight_out_of_range",
    );
    bad(
        "/spec/shards/1/weight",
        json!(1001),
        "/spec/shards/1/weight",
        "weight_out_of_range",
    );
    bad(
        "/spec/shards/1/weight",
        json!("2"),
        "/spec/shards/1/weight",
        "wrong_type",
    );
    bad(
        "/spec/shards/1/wieght",
        json!(2),
        "/spec/shards/1/wieght",
        "unknown_field",
    );
    bad(
        "/spec/strategy/hash/algorithm",
        json!("ring-v9"),
        "/spec/strategy/hash/algorithm",
        "unknown_value",
    );
    bad(
        "/spec/targetRefs/0/group",
        json!("apps"),
        "/spec/targetRefs/0/group",
        "unknown_target",
    );
    bad(
        "/spec/targetRefs/0/kind",
        json!("Service"),
        "/spec/targetRefs/0/kind",
        "unknown_target",
    );
    assert_eq!(
        problems_with(shard_map(), "/spec/shards", json!([])),
        [
            (
                "/spec/key/onMissingKey/defaultShard".to_owned(),
                "unknown_shard".to_owned()
            ),
            ("/spec/shards".to_owned(), "empty_map".to_owned()),
        ]
    );
}

#[test]
fn keys() {
    let bad =
        |pointer: &str, value: Value, at: &str, reason: &str| check(shard_map(), pointer, value, at, reason);
    let path = "/spec/key/sources/2/path";
    bad(
        "/spec/key/sources",
        json!([]),
        "/spec/key/sources",
        "invalid_sources",
    );
    bad(
        "/spec/key/sources/0/header",
        json!("X-User"),
        "/spec/key/sources/0/header",
        "invalid_header_name",
    );
    bad(
        "/spec/key/sources/1/query",
        json!(""),
        "/spec/key/sources/1/query",
        "empty_name",
    );
    bad(
        "/spec/key/onMissingKey/defaultShard",
        json!("z"),
        "/spec/key/onMissingKey/defaultShard",
        "unknown_shard",
    );
    bad(
        "/spec/key/maxSize",
        json!("0B"),
        "/spec/key/maxSize",
        "size_out_of_range",
    );
    bad(
        "/spec/key/maxSize",
        json!("1MiB"),
        "/spec/key/maxSize",
        "size_out_of_range",
    );
    bad(
        "/spec/key/maxSize",
        json!("12"),
        "/spec/key/maxSize",
        "invalid_quantity",
    );
    let template = |template: &str, reason: &str| {
        bad(
            &format!("{path}/template"),
            json!(template),
            &format!("{path}/template"),
            reason,
        );
    };
    template("users/{id}", "invalid_path_template");
    template("/users", "no_variable");
    template("/users/**/{id}", "invalid_path_template");
    template("/users/{id}/x{y}", "invalid_path_template");
    template("/{a}/{b}/{c}/{d}/{e}/{f}", "invalid_path_template");
    template("/users//{id}", "invalid_path_template");
    template("/us ers/{id}", "invalid_path_template");
    template("/{id}/{id}", "invalid_path_template");
    bad(
        &format!("{path}/variable"),
        json!("nix"),
        &format!("{path}/variable"),
        "unknown_variable",
    );
    bad(
        path,
        json!({"template": "/{a}/{b}"}),
        &format!("{path}/variable"),
        "ambiguous_variable",
    );
}

#[test]
fn matches() {
    let bad =
        |pointer: &str, value: Value, at: &str, reason: &str| check(shard_map(), pointer, value, at, reason);
    for host in ["", "*", "a..b", "host:80", "*.*.de", "a b"] {
        bad(
            "/spec/match/0/host",
            json!(host),
            "/spec/match/0/host",
            "invalid_host",
        );
    }
    for path in ["", "orders", "/a?b", "/a#b"] {
        bad(
            "/spec/match/0/path/value",
            json!(path),
            "/spec/match/0/path/value",
            "invalid_path",
        );
    }
    let regex = |pattern: &str| json!({"type": "RegularExpression", "value": pattern});
    let patterns = [
        "/a(",
        "",
        "a)|(?:b",
        "(?x)/a b",
        "/a{1001}",
        "/a{0,1001}",
        "(a{40}|b){30}",
    ];
    for pattern in patterns {
        bad(
            "/spec/match/0/path",
            regex(pattern),
            "/spec/match/0/path/value",
            "invalid_regex",
        );
    }
    bad(
        "/spec/match/0/methods/0",
        json!("GE T"),
        "/spec/match/0/methods/0",
        "invalid_method",
    );
    bad(
        "/spec/match/0/headers/0/name",
        json!("X"),
        "/spec/match/0/headers/0/name",
        "invalid_header_name",
    );
}

#[test]
fn backends() {
    let bad =
        |pointer: &str, value: Value, at: &str, reason: &str| check(backend(), pointer, value, at, reason);
    bad("/spec/endpoints", json!([]), "/spec/endpoints", "no_endpoints");
    bad(
        "/spec/endpoints/0/port",
        json!(0),
        "/spec/endpoints/0/port",
        "port_out_of_range",
    );
    bad(
        "/spec/endpoints/0/port",
        json!(70000),
        "/spec/endpoints/0/port",
        "invalid_value",
    );
    bad(
        "/spec/endpoints/0/address",
        json!("localhost"),
        "/spec/endpoints/0/address",
        "invalid_value",
    );
    bad(
        "/spec/endpoints/1",
        json!({"address": "127.0.0.1", "port": 9101}),
        "/spec/endpoints/1",
        "duplicate_endpoint",
    );
    bad(
        "/spec/healthCheck/path",
        json!("healthz"),
        "/spec/healthCheck/path",
        "invalid_path",
    );
    bad(
        "/spec/healthCheck/interval",
        json!("0s"),
        "/spec/healthCheck/interval",
        "duration_out_of_range",
    );
    bad(
        "/spec/healthCheck/healthyThreshold",
        json!(0),
        "/spec/healthCheck/healthyThreshold",
        "out_of_range",
    );
    bad(
        "/spec/connectTimeout",
        json!("2d"),
        "/spec/connectTimeout",
        "duration_out_of_range",
    );
    let percent = "/spec/outlierDetection/maxEjectionPercent";
    bad(percent, json!(101), percent, "percent_out_of_range");
}

#[test]
fn gateways() {
    let bad =
        |pointer: &str, value: Value, at: &str, reason: &str| check(gateway(), pointer, value, at, reason);
    bad("/spec/listeners", json!([]), "/spec/listeners", "no_listeners");
    bad(
        "/spec/listeners",
        json!([{"port": 1}, {"port": 1}]),
        "/spec/listeners/1/port",
        "duplicate_port",
    );
    bad(
        "/spec/listeners/0/port",
        json!(0),
        "/spec/listeners/0/port",
        "port_out_of_range",
    );
    bad(
        "/spec/routes/1/name",
        json!("static"),
        "/spec/routes/1/name",
        "duplicate_route",
    );
    bad(
        "/spec/routes/1/timeout",
        json!("0ms"),
        "/spec/routes/1/timeout",
        "duration_out_of_range",
    );
}

#[test]
fn raw_resources() {
    let bad = |pointer: &str, value: Value, at: &str, reason: &str| {
        check(envoy_resource(), pointer, value, at, reason)
    };
    bad(
        "/spec/resource/@type",
        json!("x"),
        "/spec/resource/@type",
        "unknown_resource_type",
    );
    let target = json!([{"group": "weir.dev", "kind": "Gateway", "name": "edge", "sectionName": "api"}]);
    bad(
        "/spec/targetRefs",
        target,
        "/spec/targetRefs/0/sectionName",
        "unexpected_section",
    );
}

/// What is stored must be read again, one level deeper, by readers that stop at 127.
#[test]
fn nesting_is_bounded() {
    let nested = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!({ "a": inner }));
    let at = "/spec/resource/metadata";
    let within = |levels: usize| {
        let mut document = envoy_resource();
        set(&mut document, at, nested(levels));
        Document::from_value(document)
    };
    assert!(within(61).is_ok());
    let problems = within(62).unwrap_err();
    assert_eq!(problems[0].reason, "too_deep");
    assert!(problems[0].pointer.starts_with(at), "{}", problems[0].pointer);
}

#[test]
fn all_problems_of_a_document_are_reported_at_once() {
    let mut document = shard_map();
    set(&mut document, "/spec/shards/1/name", json!("a"));
    set(&mut document, "/spec/shards/1/weight", json!(0));
    set(&mut document, "/spec/key/maxSize", json!("0B"));
    let pointers: Vec<_> = Document::from_value(document)
        .unwrap_err()
        .into_iter()
        .map(|one| one.pointer)
        .collect();
    assert_eq!(
        pointers,
        [
            "/spec/key/maxSize",
            "/spec/shards/1/name",
            "/spec/shards/1/weight"
        ]
    );
}

#[test]
fn several_unknown_fields_are_all_reported() {
    let mut document = shard_map();
    set(&mut document, "/spec/colour", json!("red"));
    set(&mut document, "/spec/shards/0/wieght", json!(1));
    let mut pointers: Vec<_> = Document::from_value(document)
        .unwrap_err()
        .into_iter()
        .map(|one| one.pointer)
        .collect();
    pointers.sort();
    assert_eq!(pointers, ["/spec/colour", "/spec/shards/0/wieght"]);
}

#[test]
fn kinds_read_as_people_write_them() {
    for kind in Kind::ALL {
        assert_eq!(kind.as_str().parse(), Ok(kind));
        assert_eq!(kind.plural().parse(), Ok(kind));
    }
    assert!("Pod".parse::<Kind>().is_err());
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z/{}*-]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,6}", inner, 0..4).prop_map(|fields| json!(fields)),
        ]
    })
}

/// Every pointer into a document.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    let mut children: Vec<(String, &Value)> = Vec::new();
    match value {
        Value::Object(fields) => children.extend(fields.iter().map(|(name, child)| (name.clone(), child))),
        Value::Array(items) => children.extend(
            items
                .iter()
                .enumerate()
                .map(|(index, child)| (index.to_string(), child)),
        ),
        _ => {}
    }
    for (token, child) in children {
        let pointer = format!("{at}/{}", token.replace('~', "~0").replace('/', "~1"));
        pointers(child, &pointer, found);
        found.push(pointer);
    }
}

proptest! {
    /// Whatever stands in a field: a document that reads back the same, or problems that point into the document.
    #[test]
    fn any_value_anywhere_is_taken_or_refused_with_a_pointer(which in 0usize..4, place in any::<prop::sample::Index>(), value in json_value()) {
        let base = [shard_map(), backend(), gateway(), envoy_resource()][which].clone();
        let mut all = Vec::new();
        pointers(&base, "", &mut all);
        let pointer = &all[place.index(all.len())];
        let mut document = base;
        *document.pointer_mut(pointer).unwrap() = value;
        match Document::from_value(document) {
            Ok(document) => prop_assert_eq!(Document::from_value(document.to_value()).unwrap(), document),
            Err(problems) => {
                prop_assert!(!problems.is_empty());
                for problem in problems {
                    prop_assert!(problem.pointer.is_empty() || problem.pointer.starts_with('/'), "{}", problem);
                }
            }
        }
    }
}
