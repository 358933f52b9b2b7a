//! Where keys go.

use proptest::prelude::*;
use serde_json::{Value, json};
use weir_wasm_tests::{Action, Request};

use crate::fixture::{Router, keyed, policy, shard, slot, slot_with};

const VECTORS: &str = include_str!("../../../filters/logic/shard-map/vectors/ring-v1.json");

/// A key of the vectors: text or hex, repeated.
fn key(vector: &Value) -> Vec<u8> {
    let bytes = match vector["text"].as_str() {
        Some(text) => text.as_bytes().to_vec(),
        None => unhex(vector["hex"].as_str().unwrap()),
    };
    bytes.repeat(
        vector["times"]
            .as_u64()
            .map_or(1, |times| times.try_into().unwrap()),
    )
}

fn unhex(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks(2);
    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.map(byte).collect()
}

#[test]
fn the_module_places_keys_as_the_vectors_say() {
    let vectors: Value = serde_json::from_str(VECTORS).unwrap();
    let keys: Vec<Vec<u8>> = vectors["keys"].as_array().unwrap().iter().map(key).collect();
    let mut placed = 0;
    for ring in vectors["rings"].as_array().unwrap() {
        let shards = ring["shards"].as_array().unwrap().iter();
        let shards =
            shards.map(|each| shard(each["name"].as_str().unwrap(), each["weight"].as_u64().unwrap()));
        let router = Router::with(&slot_with(1, &shards.collect()));
        for (key, owner) in keys.iter().zip(ring["owners"].as_array().unwrap()) {
            let owner = owner.as_str().unwrap();
            let expected = (format!("weir/default/orders/{owner}/read"), owner.to_owned());
            assert_eq!(router.place(keyed(key)), expected, "key {}", key.escape_ascii());
            placed += 1;
        }
    }
    assert!(placed > 100, "only {placed} keys in the vectors");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_key_has_one_shard_whatever_worker_it_reaches(keys in prop::collection::vec("[!-~]{1,40}", 1..20)) {
        let router = Router::with(&slot(1, &["a", "b", "c"]));
        for key in keys {
            // `Router::place` fails when the workers disagree.
            let (cluster, shard) = router.place(keyed(&key));
            prop_assert_eq!(cluster, format!("weir/default/orders/{shard}/read"));
        }
    }
}

#[test]
fn reads_go_to_the_read_cluster_and_writes_to_the_write_cluster() {
    let router = Router::with(&slot(1, &["a"]));
    let cluster = |method: &str| {
        router
            .place(Request::new(method, "/orders").header("x-user-id", "1"))
            .0
    };
    for method in ["GET", "HEAD", "OPTIONS"] {
        assert_eq!(cluster(method), "weir/default/orders/a/read", "{method}");
    }
    for method in ["POST", "PUT", "PATCH", "DELETE", "get"] {
        assert_eq!(cluster(method), "weir/default/orders/a/write", "{method}");
    }
}

#[test]
fn reads_may_be_kept_at_the_primary() {
    let mut primary = slot(1, &["a"]);
    policy(&mut primary)["reads"] = json!("primary");
    let router = Router::with(&primary);
    assert_eq!(router.place(keyed("1")).0, "weir/default/orders/a/write");
}

#[test]
fn the_first_source_with_a_key_decides() {
    let router = Router::with(&slot(1, &["a", "b", "c", "d"]));
    let by_header = |key: &str| router.place(keyed(key));
    let both = Request::get("/orders?user=user-7").header("x-user-id", "user-42");
    assert_eq!(router.place(both), by_header("user-42"));
    assert_eq!(
        router.place(Request::get("/orders?user=user%2D7")),
        by_header("user-7")
    );
    assert_eq!(
        router.place(Request::get("/orders?user=user-7").header("x-user-id", "")),
        by_header("user-7")
    );
    assert_ne!(by_header("user-42"), by_header("user-7"), "the test's own keys");
}

#[test]
fn a_request_without_a_key_can_have_a_default_shard() {
    let mut lenient = slot(1, &["a", "b"]);
    policy(&mut lenient)["onMissingKey"] = json!({"defaultShard": "b"});
    let router = Router::with(&lenient);
    assert_eq!(router.place(Request::get("/orders")).1, "b");
}

#[test]
fn a_request_that_no_rule_is_for_goes_on_without_a_shard() {
    let router = Router::with(&slot(1, &["a"]));
    let outcome = router.request(Request::get("/elsewhere").header("x-user-id", "1"));
    assert_eq!(outcome.action, Action::Continue);
    assert_eq!(outcome.headers.get("x-weir-cluster"), None);
    assert_eq!(outcome.headers.get("x-weir-shard"), None);
}
