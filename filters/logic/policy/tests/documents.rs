//! What is refused, where, and why: one document in, the pointers and reasons out.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use proptest::prelude::*;
use serde_json::{Value, json};
use weir_policy::document::jwt::payload_header;
use weir_policy::document::{Document, Kind, Spec};

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

/// A Gateway with a provider of each kind.
fn verifying_gateway() -> Value {
    let mut gateway = gateway();
    let keys = json!({"keys": [
        {"kty": "RSA", "kid": "1", "n": "AQAB", "e": "AQAB"},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "of a later day"}
    ]});
    gateway["spec"]["jwt"] = json!({
        "providers": [
            {"name": "staff", "issuer": "https://id.example.com", "audiences": ["shop"], "forward": false,
             "jwks": {"inline": keys.to_string()},
             "fromHeaders": [{"name": "authorization", "valuePrefix": "Bearer "}, {"name": "x-token"}],
             "fromParams": ["token"], "fromCookies": ["SID"]},
            {"name": "partners", "issuer": "partners",
             "jwks": {"remote": {"backend": "identity", "path": "/.well-known/jwks.json?v=1", "host": "id:81",
                                 "cacheDuration": "10s", "timeout": "250ms"}}}
        ],
        "required": true
    });
    gateway
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
    for good in [
        shard_map(),
        backend(),
        gateway(),
        verifying_gateway(),
        envoy_resource(),
    ] {
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
fn jwt_providers() {
    let bad = |pointer: &str, value: Value, at: &str, reason: &str| {
        let (pointer, at) = (format!("/spec/jwt{pointer}"), format!("/spec/jwt{at}"));
        check(verifying_gateway(), &pointer, value, &at, reason);
    };
    let same = |pointer: &str, value: Value, reason: &str| bad(pointer, value, pointer, reason);
    same("/providers", json!([]), "invalid_providers");
    let provider = |number: usize| {
        let jwks = json!({"remote": {"backend": "identity", "path": "/"}});
        json!({"name": format!("p{number}"), "issuer": format!("i{number}"), "jwks": jwks})
    };
    let many: Vec<Value> = (0..17).map(provider).collect();
    let mut most = verifying_gateway();
    set(&mut most, "/spec/jwt/providers", json!(many[..16]));
    assert!(Document::from_value(most).is_ok());
    same("/providers", json!(many), "invalid_providers");
    same("/providers/1/name", json!("staff"), "duplicate_provider");
    same("/providers/1/name", json!("Staff"), "invalid_name");
    same(
        "/providers/1/issuer",
        json!("https://id.example.com"),
        "duplicate_issuer",
    );
    same("/providers/1/issuer", json!(""), "empty_issuer");
    bad(
        "/providers/1/issuer",
        Value::Null,
        "/providers/1",
        "missing_field",
    );
    same("/providers/0/audiences/0", json!(""), "empty_audience");
    same(
        "/providers/0/fromHeaders/0/name",
        json!("X-Token"),
        "invalid_header_name",
    );
    same(
        "/providers/0/fromHeaders/0/valuePrefix",
        json!("a\nb"),
        "invalid_prefix",
    );
    same("/providers/0/fromParams/0", json!(""), "empty_name");
    same("/providers/0/fromCookies/0", json!("a b"), "invalid_cookie_name");
    same("/providers/0/issuerr", json!("x"), "unknown_field");
    same("/requird", json!(true), "unknown_field");
    same("/required", json!("yes"), "wrong_type");
}

#[test]
fn remote_keys() {
    let bad = |field: &str, value: Value, reason: &str| {
        let pointer = format!("/spec/jwt/providers/1/jwks/remote/{field}");
        check(verifying_gateway(), &pointer, value, &pointer, reason);
    };
    for path in ["", "jwks.json", "/a b", "/a#b", "/\u{e4}", "/a\u{7f}"] {
        bad("path", json!(path), "invalid_path");
    }
    for host in ["", ":80", "a b", "a/b", "a:", "a:b", "a:70000", "user@a", "[::1]"] {
        bad("host", json!(host), "invalid_host");
    }
    for duration in ["0s", "9999ms", "2d"] {
        bad("cacheDuration", json!(duration), "duration_out_of_range");
    }
    for duration in ["0ms", "2d"] {
        bad("timeout", json!(duration), "duration_out_of_range");
    }
    bad("backend", json!("Identity"), "invalid_name");
    let both = json!({"inline": "{}", "remote": {"backend": "identity", "path": "/"}});
    let at = "/spec/jwt/providers/1/jwks";
    check(verifying_gateway(), at, both, at, "invalid_value");
}

#[test]
fn inline_keys() {
    let at = "/spec/jwt/providers/0/jwks/inline";
    let bad = |text: &str, reason: &str| check(verifying_gateway(), at, json!(text), at, reason);
    let good = |text: &str| {
        let mut document = verifying_gateway();
        set(&mut document, at, json!(text));
        assert!(Document::from_value(document).is_ok(), "{text}");
    };
    let keys = |keys: Value| json!({ "keys": keys }).to_string();
    let public = json!({"kty": "OKP", "crv": "Ed25519", "x": "AA"});
    good(&keys(json!([public])));
    good(&keys(json!([{"kty": "oct", "k": "AA"}])));
    for text in [
        "",
        "keys",
        "[]",
        "{}",
        "{\"keys\": {}}",
        "{\"keys\": []}",
        "{\"keys\": [1]}",
    ] {
        bad(text, "invalid_jwks");
    }
    for unusable in [
        json!({"kty": "of a later day"}),
        json!({"kty": 1}),
        json!({"kid": "1"}),
        json!({"kty": "RSA", "n": "AQAB"}),
        json!({"kty": "EC", "x": "AA", "y": "AA"}),
        json!({"kty": "oct", "k": 1}),
    ] {
        bad(&keys(json!([unusable])), "invalid_jwks");
    }
    bad(&keys(json!([public, {"kid": "1"}])), "invalid_jwks");
    let private = json!({"kty": "OKP", "crv": "Ed25519", "x": "AA", "d": "AA"});
    bad(&keys(json!([private])), "invalid_jwks");
    let padded = |length: usize| {
        let text = keys(json!([public]));
        text.clone() + &" ".repeat(length - text.len())
    };
    good(&padded(65_536));
    bad(&padded(65_537), "size_out_of_range");
}

#[test]
fn a_provider_has_a_header_of_its_own_in_lower_case() {
    let Spec::Gateway(gateway) = Document::from_value(verifying_gateway()).unwrap().spec else {
        panic!("not a Gateway")
    };
    let jwt = gateway.jwt.unwrap();
    let headers: Vec<String> = jwt
        .providers
        .iter()
        .map(|provider| payload_header(&provider.name))
        .collect();
    assert_eq!(headers, ["x-weir-jwt-staff", "x-weir-jwt-partners"]);
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
    fn any_value_anywhere_is_taken_or_refused_with_a_pointer(which in 0usize..5, place in any::<prop::sample::Index>(), value in json_value()) {
        let bases = [shard_map(), backend(), gateway(), verifying_gateway(), envoy_resource()];
        let base = bases[which].clone();
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
