//! What the request-hedge filter is measured at.

use std::time::Duration;

use serde_json::{Value, json};
use weir_wasm_tests::Request;

use crate::case::{Case, What};

const READ: &str = "weir/default/orders/a/read";
/// Of all policies, milliseconds.
const DELAY_MS: u64 = 20;

pub(super) fn cases() -> Vec<Case> {
    let case = |name, what| Case {
        name,
        configuration: slot(&policy()),
        what,
    };
    let mut cases = vec![
        case("configure: 1 policy", What::Configure),
        case("the first request of a VM", What::FirstExchange(read())),
        case("one second of ticks after a request", What::Ticks(read())),
    ];
    cases.extend(slow());
    cases.extend(exchanges());
    cases
}

/// Requests whose answer takes some time, as answers do.
fn slow() -> Vec<Case> {
    let case = |name, policy: Value, request, takes| Case {
        name,
        configuration: slot(&policy),
        what: What::SlowExchange(request, Duration::from_millis(takes)),
    };
    let shadow = || with("shadow", true.into());
    vec![
        case("armed, answered in time", policy(), read(), 5),
        case("armed, answered after the delay", policy(), read(), DELAY_MS + 5),
        case("armed, 20 other headers", policy(), with_headers(20), 5),
        case("armed, to the cluster of its route", policy(), by_route(), 5),
        case("armed, forged headers", policy(), forged(), 5),
        case("armed, with a key and a body", policy(), write(true), 5),
        case("shadow, answered in time", shadow(), read(), 5),
        case("shadow, answered after the delay", shadow(), read(), DELAY_MS + 5),
        case("cold", cold(), read(), 5),
    ]
}

/// Requests that are left alone.
fn exchanges() -> Vec<Case> {
    let case = |name, request| Case::exchange(name, slot(&policy()), request);
    let mut elsewhere = slot(&policy());
    elsewhere["rules"][0]["match"] = json!({"path": {"type": "Prefix", "value": "/elsewhere"}});
    let none = json!({"format": 1, "slot": SLOT, "generation": 1, "rules": [], "policies": {}});
    vec![
        Case::exchange("no policy", none, read()),
        Case::exchange("no rule", elsewhere, read()),
        case(
            "another cluster",
            Request::get("/orders").header("x-weir-cluster", "other"),
        ),
        case("a write", write(false)),
        case("no cluster", Request::get("/orders")),
    ]
}

const SLOT: &str = "weir/default/edge/request-hedge";

fn slot(policy: &Value) -> Value {
    json!({
        "format": 1, "slot": SLOT, "generation": 1,
        "rules": [{"policy": "default/reads"}], "policies": {"default/reads": policy}
    })
}

/// Each request pays for a hedge, so that each is armed.
fn policy() -> Value {
    json!({
        "quantilePpm": 980_000, "minDelayMs": DELAY_MS, "maxDelayMs": DELAY_MS, "coldStartDelayMs": DELAY_MS,
        "budget": {"ppm": 1_000_000, "minPerSecond": 10},
        "methods": ["GET", "HEAD", "OPTIONS"], "idempotentHeaders": ["idempotency-key"],
        "maxRequestBodyBytes": 65_536,
        "overload": {"errorPpm": 200_000, "latencyFactorPpm": 2_000_000},
        "maxRetries": 1, "clusters": [READ], "routeTimeoutsMs": {"orders": 15_000}
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut policy = policy();
    policy[name] = value;
    policy
}

fn cold() -> Value {
    let mut policy = policy();
    policy.as_object_mut().unwrap().remove("coldStartDelayMs");
    policy
}

fn read() -> Request {
    Request::get("/orders").header("x-weir-cluster", READ)
}

fn by_route() -> Request {
    Request::get("/orders").property(&["xds", "cluster_name"], READ)
}

fn write(has_key: bool) -> Request {
    let request = Request::new("POST", "/orders")
        .header("x-weir-cluster", READ)
        .header("content-length", "1");
    if has_key {
        request.header("idempotency-key", "k-1")
    } else {
        request
    }
}

fn with_headers(count: usize) -> Request {
    let others = (0..count).map(|index| format!("x-other-{index}"));
    others.fold(read(), |request, name| request.header(&name, "some value"))
}

fn forged() -> Request {
    let names = [
        "x-envoy-max-retries",
        "x-envoy-retry-on",
        "x-envoy-hedge-on-per-try-timeout",
    ];
    names
        .iter()
        .fold(read(), |request, name| request.header(name, "1"))
}

#[test]
fn a_request_asks_for_no_shared_data() {
    for case in slow().into_iter().chain(exchanges()) {
        let calls = case.measure("request-hedge").host_calls;
        for function in ["get_shared_data", "set_shared_data"] {
            assert_eq!(calls.get(function), None, "{}: {function}", case.name);
        }
    }
}

#[test]
fn the_number_of_tries_is_asked_for_where_a_second_one_may_leave() {
    for case in slow() {
        let calls = case.measure("request-hedge").host_calls;
        let by_route = case.name == "armed, to the cluster of its route";
        let expected = u64::from(case.name.starts_with("armed")) + u64::from(by_route);
        let asked = calls.get("get_property").copied().unwrap_or(0);
        assert_eq!(asked, expected, "{}", case.name);
    }
}
