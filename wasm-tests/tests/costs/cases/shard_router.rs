//! What the shard-router is measured at.

use serde_json::{Value, json};
use weir_wasm_tests::Request;

use crate::case::{Case, What};

pub(super) fn cases() -> Vec<Case> {
    let configure = |name, configuration| Case {
        name,
        configuration,
        what: What::Configure,
    };
    let case = |name, request| Case::exchange(name, one_map(3), request);
    vec![
        configure("configure: 1 map, 3 shards", one_map(3)),
        configure("configure: 1 map, 100 shards", one_map(100)),
        configure("configure: 3 maps, 50 rules each", three_maps()),
        Case {
            name: "the first request of a VM",
            configuration: one_map(3),
            what: What::FirstExchange(keyed("/orders")),
        },
        Case {
            name: "one second of ticks after a request",
            configuration: one_map(3),
            what: What::Ticks(keyed("/orders")),
        },
        case("key in a header", keyed("/orders")),
        case("key in the query", Request::get("/orders?page=2&user=user-42")),
        case("key in a path template", Request::get("/users/user-42/orders")),
        case("key in a header, a write", write()),
        case("key in a header, 20 other headers", with_headers(20)),
        case("key in a header, path of 4 KiB", keyed(&long_path("/orders/"))),
        case(
            "key in the query of 4 KiB, last",
            Request::get(&long_path("/orders?")).header("accept", "*/*"),
        ),
        case(
            "key of 8 KiB",
            Request::get("/orders").header("x-user-id", "k".repeat(8_192)),
        ),
        case(
            "forged headers",
            keyed("/orders")
                .header("x-weir-cluster", "a")
                .header("x-weir-shard", "b"),
        ),
        case("no key: 400", Request::get("/orders")),
        case(
            "key too long: 400",
            Request::get("/orders").header("x-user-id", "k".repeat(8_193)),
        ),
        case("no rule", Request::get("/elsewhere")),
        Case::exchange("100 shards", one_map(100), keyed("/orders")),
        Case::exchange(
            "3 maps, 50 rules each: the first rule",
            three_maps(),
            keyed("/map-0/rule-0/"),
        ),
        Case::exchange(
            "3 maps, 50 rules each: the last rule",
            three_maps(),
            keyed("/map-2/rule-49/"),
        ),
        Case::exchange(
            "3 maps, 50 rules each: no rule",
            three_maps(),
            keyed("/elsewhere"),
        ),
    ]
}

fn keyed(path: &str) -> Request {
    Request::get(path).header("x-user-id", "user-42")
}

fn write() -> Request {
    Request::new("POST", "/orders").header("x-user-id", "user-42")
}

fn with_headers(count: usize) -> Request {
    let others = (0..count).map(|index| format!("x-other-{index}"));
    others.fold(keyed("/orders"), |request, name| {
        request.header(&name, "some value")
    })
}

/// `begin`, then 4 KiB, then a query parameter with the key.
fn long_path(begin: &str) -> String {
    format!("{begin}{}&user=user-42", "a".repeat(4_096))
}

fn one_map(shards: usize) -> Value {
    let rules = ["/orders", "/users"].map(|prefix| rule("default/orders", "Prefix", prefix));
    slot(&json!(rules), &json!({"default/orders": policy(shards)}))
}

fn three_maps() -> Value {
    let name = |map| format!("default/map-{map}");
    let rules = (0..150).map(|index| {
        let (map, number) = (index / 50, index % 50);
        rule(&name(map), "Prefix", &format!("/map-{map}/rule-{number}/"))
    });
    let policies: serde_json::Map<String, Value> = (0..3).map(|map| (name(map), policy(3))).collect();
    slot(&json!(rules.collect::<Vec<_>>()), &json!(policies))
}

fn slot(rules: &Value, policies: &Value) -> Value {
    json!({
        "format": 1,
        "slot": "weir/default/edge/shard-router",
        "generation": 1,
        "rules": rules,
        "policies": policies
    })
}

fn rule(policy: &str, kind: &str, path: &str) -> Value {
    json!({"policy": policy, "match": {"path": {"type": kind, "value": path}}})
}

fn policy(shards: usize) -> Value {
    let shards: Vec<Value> = (0..shards).map(shard).collect();
    json!({
        "keySources": [
            {"header": "x-user-id"},
            {"query": "user"},
            {"path": {"template": "/users/{id}/**", "variable": "id"}}
        ],
        "onMissingKey": "reject",
        "maxKeyBytes": 8192,
        "strategy": {"hash": {"algorithm": "ring-v1"}},
        "reads": "replicas",
        "shards": shards
    })
}

fn shard(index: usize) -> Value {
    json!({
        "name": format!("shard-{index}"),
        "weight": 1,
        "readCluster": format!("weir/default/orders/shard-{index}/read"),
        "writeCluster": format!("weir/default/orders/shard-{index}/write"),
    })
}
