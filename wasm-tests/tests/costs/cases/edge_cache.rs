//! What the edge-cache filter is measured at.

use serde_json::{Value, json};
use weir_wasm_tests::Request;

use crate::case::{Case, What};

pub(super) fn cases() -> Vec<Case> {
    let case = |name, what| Case {
        name,
        configuration: cache(&lifetime()),
        what,
    };
    let mut cases = vec![
        case("configure: 1 policy", What::Configure),
        case(
            "the first request of a VM: stored",
            What::FirstExchange(product()),
        ),
        case("one second of ticks after a request", What::Ticks(product())),
    ];
    cases.extend(exchanges());
    cases
}

/// Requests that are not the first of their VM. The response has no lifetime of its own.
fn exchanges() -> Vec<Case> {
    let plain = |name, what| Case {
        name,
        configuration: cache(&lifetime()),
        what,
    };
    let pass = |name, request| plain(name, What::Exchange(request));
    let hit = |name, request| plain(name, What::After(product(), request));
    vec![
        Case::exchange("no policy", slot(&json!([]), &json!({})), product()),
        Case::exchange("no rule", elsewhere(), product()),
        hit("a hit in the worker's own memory", product()),
        hit("a hit: HEAD", upstream(Request::new("HEAD", "/products/1"))),
        hit("a hit: a range", product().header("range", "bytes=1-2")),
        plain(
            "a hit in shared memory, as the first request of a VM",
            What::FirstHit(product()),
        ),
        hit("a miss that is stored", upstream(Request::get("/products/2"))),
        Case::exchange(
            "a miss that is not stored",
            cache(&json!({"hitForMissMs": 10_000})),
            product(),
        ),
        pass("passes: no-store", product().header("cache-control", "no-store")),
        pass("passes: an upgrade", product().header("upgrade", "websocket")),
        hit("unsafe: POST", upstream(Request::new("POST", "/products/1"))),
    ]
}

/// What has no lifetime is fresh for a minute.
fn lifetime() -> Value {
    json!({"defaultMs": 60_000, "hitForMissMs": 10_000})
}

fn product() -> Request {
    upstream(Request::get("/products/1"))
}

/// What the router would say of the response.
fn upstream(request: Request) -> Request {
    request
        .header("user-agent", "curl/8.0")
        .header("accept", "*/*")
        .property(&["response", "code_details"], "via_upstream")
}

/// A policy for every request.
fn cache(ttl: &Value) -> Value {
    let policy = json!({
        "key": {"version": 1, "query": "all"}, "ttl": ttl,
        "stale": {"whileRevalidateMs": 0, "ifErrorMs": 0},
        "tags": {"headers": ["surrogate-key"]}, "targets": ["weir-cache-control"],
        "limits": {"objectBytes": 1_048_576, "totalBytes": 67_108_864, "objects": 65_536},
        "coalesce": {"maxWaiters": 1_000, "timeoutMs": 5_000}, "callTimeoutMs": 10_000
    });
    slot(
        &json!([{"policy": "default/products"}]),
        &json!({"default/products": policy}),
    )
}

fn elsewhere() -> Value {
    let mut configuration = cache(&lifetime());
    configuration["rules"][0]["match"] = json!({"path": {"type": "Prefix", "value": "/elsewhere"}});
    configuration
}

fn slot(rules: &Value, policies: &Value) -> Value {
    json!({"format": 1, "slot": "weir/default/edge/edge-cache", "generation": 1, "rules": rules, "policies": policies})
}

#[test]
fn a_hit_makes_four_calls_to_the_host_and_its_end_none() {
    let hit = exchanges()
        .into_iter()
        .find(|case| case.name.starts_with("a hit in the worker's own"))
        .unwrap();
    let calls = hit.measure("edge-cache").host_calls;
    assert!(calls.values().sum::<u64>() <= 4, "{calls:?}");
    assert_eq!(calls.get("get_shared_data"), Some(&1), "{calls:?}");
}
