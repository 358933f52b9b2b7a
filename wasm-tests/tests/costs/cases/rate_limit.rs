//! What the rate-limit filter is measured at.

use serde_json::{Value, json};
use weir_wasm_tests::Request;

use crate::case::{Case, What};

/// `{"alg":"none"}`, `{"iss":"https://issuer.test","sub":"user-42","exp":1767229200}`, nothing.
const TOKEN: &str = "eyJhbGciOiJub25lIn0.eyJpc3MiOiJodHRwczovL2lzc3Vlci50ZXN0Iiwic3ViIjoidXNlci00MiIsImV4cCI6MTc2NzIyOTIwMH0.c2lnbmF0dXJl";

pub(super) fn cases() -> Vec<Case> {
    let one = || one_limit(&json!([{"header": "x-user-id"}]));
    let case = |name, what| Case {
        name,
        configuration: one(),
        what,
    };
    let mut cases = vec![
        case("configure: 1 limit", What::Configure),
        case("the first request of a VM", What::FirstExchange(user())),
        case("one second of ticks after a request", What::Ticks(user())),
        Case {
            name: "one second of ticks after a request, a limit of the fleet",
            configuration: fleet(),
            what: What::Ticks(user()),
        },
    ];
    cases.extend(exchanges());
    cases
}

/// Requests that are not the first of their VM.
fn exchanges() -> Vec<Case> {
    let keyed =
        |name, descriptor: Value, request| Case::exchange(name, one_limit(&json!([descriptor])), request);
    let header = || json!({"header": "x-user-id"});
    let with_fields = |fields: Value| with(&fields, &json!([limit("user", &json!([header()]))]));
    let with_quota = |quota: Value| {
        let mut limit = limit("user", &json!([header()]));
        limit["quota"] = quota;
        with(&json!({}), &json!([limit]))
    };
    vec![
        Case::exchange("no policy", slot(&json!([]), &json!({})), user()),
        Case::exchange("no rule", elsewhere(), user()),
        keyed("by a header", header(), user()),
        keyed(
            "by a header, 64 KiB",
            header(),
            Request::get("/orders").header("x-user-id", "k".repeat(65_536)),
        ),
        keyed(
            "by the client's address",
            address(0),
            user().property(&["source", "address"], "203.0.113.7:4711"),
        ),
        keyed(
            "by the client's address, one proxy away",
            address(1),
            user().header("x-forwarded-for", "203.0.113.7, 10.0.0.1"),
        ),
        keyed(
            "by a cookie",
            json!({"cookie": "session"}),
            user().header("cookie", "theme=dark; session=s-42; lang=en"),
        ),
        keyed(
            "by a claim of a token",
            json!({"jwtClaim": {"claim": "sub"}}),
            user().header("authorization", format!("Bearer {TOKEN}")),
        ),
        keyed(
            "by a path variable",
            json!({"path": {"template": "/orders/{id}", "variable": "id"}}),
            Request::get("/orders/17"),
        ),
        Case::exchange("by nothing", one_limit(&json!([])), user()),
        Case::exchange("three limits", three_limits(), user()),
        Case {
            name: "a limit of the fleet",
            configuration: fleet(),
            what: What::LaterExchange(user()),
        },
        Case::exchange(
            "no field for the client",
            with_fields(json!({"standard": "never"})),
            user(),
        ),
        Case::exchange(
            "the older fields too",
            with_fields(json!({"legacy": true})),
            user(),
        ),
        Case::exchange(
            "a sliding window",
            with_quota(json!({"slidingWindow": {"requests": 1_000, "windowMs": 1_000}})),
            user(),
        ),
        Case::exchange(
            "requests under way, with their end",
            with_quota(json!({"concurrency": {"requests": 10, "maxDurationMs": 60_000}})),
            user(),
        ),
        Case::exchange(
            "limited: 429",
            with_quota(json!({"rate": {"requests": 1, "windowMs": 60_000, "burst": 1}})),
            user(),
        ),
        Case::exchange("a value is missing: 400", rejecting(), Request::get("/orders")),
    ]
}

fn user() -> Request {
    Request::get("/orders").header("x-user-id", "user-42")
}

fn address(trusted_hops: u64) -> Value {
    json!({"clientAddress": {"trustedHops": trusted_hops, "ipv4Prefix": 32, "ipv6Prefix": 64}})
}

fn one_limit(key: &Value) -> Value {
    with(&json!({}), &json!([limit("user", key)]))
}

fn three_limits() -> Value {
    let limits = [
        ("all", json!([])),
        ("user", json!([{"header": "x-user-id"}])),
        ("method", json!(["method"])),
    ];
    let limits: Vec<Value> = limits.iter().map(|(name, key)| limit(name, key)).collect();
    with(&json!({}), &json!(limits))
}

fn rejecting() -> Value {
    let mut limit = limit("user", &json!([{"header": "x-user-id"}]));
    limit["onMissingKey"] = "reject".into();
    with(&json!({}), &json!([limit]))
}

fn fleet() -> Value {
    let mut limit = limit("user", &json!([{"header": "x-user-id"}]));
    limit["fleet"] = json!({"proxies": 1});
    let mut configuration = with(&json!({}), &json!([limit]));
    configuration["control"] = json!({"cluster": "weir-control"});
    configuration
}

fn elsewhere() -> Value {
    let rule = json!({"policy": "default/api", "match": {"path": {"type": "Prefix", "value": "/elsewhere"}}});
    let mut configuration = one_limit(&json!([]));
    configuration["rules"] = json!([rule]);
    configuration
}

fn limit(name: &str, key: &Value) -> Value {
    json!({
        "name": name, "key": key, "onMissingKey": "shared", "cost": {},
        "quota": {"rate": {"requests": 1_000, "windowMs": 1_000, "burst": 1_000}}
    })
}

/// A slot with one policy for every request.
fn with(headers: &Value, limits: &Value) -> Value {
    let policy = json!({"onError": "allow", "headers": headers, "maxKeys": 100_000, "limits": limits});
    slot(
        &json!([{"policy": "default/api"}]),
        &json!({"default/api": policy}),
    )
}

fn slot(rules: &Value, policies: &Value) -> Value {
    json!({"format": 1, "slot": "weir/default/edge/rate-limit", "generation": 1, "rules": rules, "policies": policies})
}

/// How often each limit has to be looked up and written: once, and once more when its requests end.
fn accesses(configuration: &Value) -> u64 {
    let policies = configuration["policies"].as_object().unwrap().values();
    let limits = policies.flat_map(|policy| policy["limits"].as_array().unwrap());
    limits
        .map(|limit| {
            if limit["quota"]["concurrency"].is_object() {
                2
            } else {
                1
            }
        })
        .sum()
}

#[test]
fn a_request_makes_at_most_one_read_and_one_write_of_shared_data_for_each_limit() {
    for case in exchanges() {
        let calls = case.measure("rate-limit").host_calls;
        for function in ["get_shared_data", "set_shared_data"] {
            let count = calls.get(function).copied().unwrap_or(0);
            assert!(
                count <= accesses(&case.configuration),
                "{}: {function} {count}",
                case.name
            );
        }
    }
}
