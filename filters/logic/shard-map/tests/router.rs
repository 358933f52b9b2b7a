//! Keys, clusters and refusals, over a slot's configuration as it is pushed.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::cell::RefCell;
use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};
use weir_route_match::RequestView;
use weir_shard_map::{Decision, Rejection, Router, ShardRouter};

fn config() -> Value {
    json!({
        "format": 1,
        "slot": "weir/default/edge/shard-router",
        "generation": 7,
        "rules": [{"policy": "default/orders"}],
        "policies": {"default/orders": {
            "keySources": [
                {"header": "x-user"},
                {"query": "user id"},
                {"path": {"template": "/users/{id}/**"}},
            ],
            "onMissingKey": "reject",
            "maxKeyBytes": 16,
            "strategy": {"hash": {"algorithm": "ring-v1"}},
            "reads": "replicas",
            "shards": [
                {"name": "a", "weight": 1, "readCluster": "a/read", "writeCluster": "a/write"},
                {"name": "b", "weight": 1, "readCluster": "b/read", "writeCluster": "b/write"},
            ],
        }},
    })
}

fn with(pointer: &str, value: Value) -> Value {
    let mut config = config();
    *config.pointer_mut(pointer).unwrap() = value;
    config
}

fn load(config: &Value) -> Result<ShardRouter, String> {
    ShardRouter::from_json(config.to_string().as_bytes()).map_err(|error| error.to_string())
}

/// The cluster, or the rejection.
fn decide(config: &Value, request: &[(&str, &[u8])]) -> Result<String, Option<Rejection>> {
    match load(config).unwrap().on_request(request) {
        Decision::Forward { map: 0, target } => Ok(target.cluster.to_owned()),
        Decision::Reject { map: 0, rejection } => Err(Some(rejection)),
        Decision::NoRule => Err(None),
        other => panic!("{other:?}"),
    }
}

/// Where `key` is written to.
fn written(key: &[u8]) -> String {
    let router = load(&config()).unwrap();
    let (_, map) = router.maps().next().unwrap();
    format!("{}/write", map.place(key))
}

fn check_key(request: &[(&str, &[u8])], key: &[u8]) {
    assert_eq!(decide(&config(), request), Ok(written(key)), "{request:?}");
}

fn check_missing(request: &[(&str, &[u8])]) {
    let found = decide(&config(), request);
    assert_eq!(found, Err(Some(Rejection::MissingKey)), "{request:?}");
}

/// Keys of both shards, so that a wrong key is seen.
const KEYS: [&[u8]; 6] = [b"k1", b"k2", b"k3", b"k4", b"k5", b"k6"];

#[test]
fn the_samples_use_both_shards() {
    let clusters: BTreeSet<String> = KEYS.iter().map(|key| written(key)).collect();
    assert_eq!(clusters.len(), 2);
}

#[test]
fn the_first_source_with_a_key_is_taken() {
    for (index, key) in KEYS.iter().enumerate() {
        let other = KEYS[(index + 1) % KEYS.len()];
        let path = [b"/users/".as_slice(), other, b"/x?user+id=", other].concat();
        check_key(&[("x-user", key), (":path", &path)], key);
        let path = [
            b"/users/".as_slice(),
            other,
            b"/x?a&user%20id=",
            key,
            b"&user+id=",
            other,
        ]
        .concat();
        check_key(&[("x-user", b""), (":path", &path)], key);
        let path = [b"/users/".as_slice(), key, b"/x?user+id=&user+id=", other].concat();
        check_key(&[(":path", &path)], key);
    }
}

#[test]
fn query_and_path_are_percent_decoded_and_headers_are_not() {
    check_key(&[(":path", b"/?user+id=a%20b+c")], b"a b c");
    check_key(&[(":path", b"/users/a%2Fb+c/")], b"a/b+c");
    check_key(&[(":path", b"/?user%20id=%zz%4")], b"%zz%4");
    check_key(&[("x-user", b"a%20b")], b"a%20b");
    check_key(&[("x-user", b"\x80\xff")], b"\x80\xff");
    check_key(&[(":path", b"/?user+id=x=y?z#user+id")], b"x=y?z");
}

#[test]
fn a_request_without_key_is_refused_or_takes_the_default() {
    check_missing(&[]);
    check_missing(&[("x-user", b""), (":path", b"/?user+id=&users=x")]);
    check_missing(&[(":path", b"/users//x")]);
    check_missing(&[(":path", b"/users/1")]);
    let config = with(
        "/policies/default~1orders/onMissingKey",
        json!({"defaultShard": "b"}),
    );
    assert_eq!(decide(&config, &[]), Ok("b/write".into()));
}

#[test]
fn a_key_that_is_too_long_is_refused_even_with_a_default() {
    let config = with(
        "/policies/default~1orders/onMissingKey",
        json!({"defaultShard": "b"}),
    );
    assert!(decide(&config, &[("x-user", &[b'k'; 16])]).is_ok());
    let expected = Rejection::KeyTooLong {
        length: 17,
        limit: 16,
    };
    assert_eq!(decide(&config, &[("x-user", &[b'k'; 17])]), Err(Some(expected)));
}

#[test]
fn safe_methods_read_and_all_others_write() {
    let primary = with("/policies/default~1orders/reads", json!("primary"));
    let shard = written(b"k1").replace("/write", "");
    for (method, cluster) in [
        ("GET", "read"),
        ("HEAD", "read"),
        ("OPTIONS", "read"),
        ("TRACE", "read"),
        ("POST", "write"),
        ("PUT", "write"),
        ("DELETE", "write"),
        ("PATCH", "write"),
        ("CONNECT", "write"),
        ("get", "write"),
    ] {
        let request: [(&str, &[u8]); 2] = [(":method", method.as_bytes()), ("x-user", b"k1")];
        assert_eq!(
            decide(&config(), &request),
            Ok(format!("{shard}/{cluster}")),
            "{method}"
        );
        assert_eq!(
            decide(&primary, &request),
            Ok(format!("{shard}/write")),
            "{method}"
        );
    }
}

#[test]
fn without_a_rule_there_is_no_decision() {
    assert_eq!(
        decide(&with("/rules", json!([])), &[("x-user", b"k1")]),
        Err(None)
    );
}

/// Notes which headers were read.
struct Reads<'r>(&'r [(&'r str, &'r [u8])], RefCell<BTreeSet<String>>);

impl RequestView for Reads<'_> {
    fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.1.borrow_mut().insert(name.to_owned());
        self.0.values(name)
    }
}

#[test]
fn the_method_is_read_only_where_it_matters() {
    let reads = |config: &Value| {
        let request: [(&str, &[u8]); 1] = [("x-user", b"k1")];
        let request = Reads(&request, RefCell::default());
        load(config).unwrap().on_request(&request);
        request.1.into_inner()
    };
    assert_eq!(
        reads(&config()),
        BTreeSet::from([":method".into(), "x-user".into()])
    );
    let primary = with("/policies/default~1orders/reads", json!("primary"));
    assert_eq!(reads(&primary), BTreeSet::from(["x-user".into()]));
}

#[test]
fn an_error_names_the_field() {
    let policy = "/policies/default~1orders";
    let shard = |name: &str, weight: u32, cluster: &str| json!({"name": name, "weight": weight, "readCluster": cluster, "writeCluster": "w"});
    for (field, value, expected) in [
        ("/keySources", json!([]), "/keySources: 0 sources"),
        (
            "/keySources/0",
            json!({"header": "X-User"}),
            "/keySources/0/header: \"X-User\"",
        ),
        (
            "/keySources/1",
            json!({"query": ""}),
            "/keySources/1/query: expected",
        ),
        (
            "/keySources/2/path/template",
            json!("/users//{id}"),
            "/keySources/2/path/template: a path template has no empty segment",
        ),
        (
            "/keySources/2/path/template",
            json!("/users/*"),
            "/keySources/2/path/variable: expected",
        ),
        (
            "/onMissingKey",
            json!({"defaultShard": "c"}),
            "/onMissingKey/defaultShard: \"c\"",
        ),
        ("/maxKeyBytes", json!(0), "/maxKeyBytes: 0"),
        ("/maxKeyBytes", json!(8193), "/maxKeyBytes: 8193"),
        ("/shards", json!([]), "/shards: a ring needs"),
        (
            "/shards/1",
            shard("a", 1, "r"),
            "/shards/1/name: duplicate shard \"a\"",
        ),
        (
            "/shards/1",
            shard("b", 0, "r"),
            "/shards/1/weight: shard \"b\" has weight 0",
        ),
        (
            "/shards/1",
            shard("b", 1001, "r"),
            "/shards/1/weight: weight 1001",
        ),
        ("/shards/1", shard("b", 1, ""), "/shards/1/readCluster: \"\""),
        (
            "/shards/1",
            shard("b", 1, "a\r\nb"),
            "/shards/1/readCluster: \"a\\r\\nb\"",
        ),
    ] {
        let found = load(&with(&format!("{policy}{field}"), value)).unwrap_err();
        assert!(found.starts_with(&format!("{policy}{expected}")), "{found}");
    }
    for (field, value, expected) in [
        ("/generation", json!(1_u64 << 53), "/generation: 9007199254740992"),
        ("/slot", json!(""), "/slot: 0 bytes"),
        ("/format", json!(2), "/format: unknown format 2"),
        (
            "/rules/0/policy",
            json!("default/other"),
            "/rules/0/policy: no policy",
        ),
    ] {
        let found = load(&with(field, value)).unwrap_err();
        assert!(found.starts_with(expected), "{found}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_judged_quietly(path in prop::collection::vec(any::<u8>(), 0..40), key in prop::collection::vec(any::<u8>(), 0..20)) {
        let config = config();
        let _ = decide(&config, &[(":path", &path), ("x-user", &key)]);
        let _ = decide(&config, &[(":path", &[b"/users/", path.as_slice(), b"/?user+id=", &key].concat())]);
        let _ = ShardRouter::from_json(&path);
    }

    #[test]
    fn a_request_goes_where_its_key_is_placed(key in prop::collection::vec(any::<u8>(), 1..17)) {
        let policy = &config()["policies"]["default/orders"];
        let router = Router::try_new(&serde_json::from_value(policy.clone()).unwrap()).unwrap();
        let request: [(&str, &[u8]); 1] = [("x-user", &key)];
        prop_assert_eq!(router.route(&request[..]).unwrap().shard, router.place(&key));
    }
}
