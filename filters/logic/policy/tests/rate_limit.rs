//! RateLimitPolicy: what is taken, what is refused, where and why.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use serde_json::{Value, json};
use weir_policy::document::Document;

/// A policy with everything in it.
fn full() -> Value {
    json!({
        "apiVersion": "weir.dev/v1alpha1",
        "kind": "RateLimitPolicy",
        "metadata": {"name": "api"},
        "spec": {
            "targetRefs": [{"group": "weir.dev", "kind": "Gateway", "name": "edge", "sectionName": "api"}],
            "match": [{"path": {"type": "Prefix", "value": "/api"}}],
            "mode": "shadow",
            "candidateFor": "live",
            "onError": "deny",
            "exempt": [
                {"match": {"path": {"type": "Exact", "value": "/healthz"}}},
                {"clientAddress": {"trustedHops": 1, "networks": ["10.0.0.0/8", "::1"]}}
            ],
            "headers": {"standard": "limited", "legacy": true},
            "maxKeys": 50000,
            "limits": [
                {
                    "name": "tenant",
                    "key": [{"jwtClaim": {"claim": "realm.org", "provider": "corp"}}],
                    "onMissingKey": "reject",
                    "quota": {"rate": {"requests": 1000, "window": "1s", "burst": 2000}},
                    "fleet": {"proxies": 3, "whenLost": "deny"}
                },
                {
                    "name": "client",
                    "parent": "tenant",
                    "key": [
                        {"clientAddress": {"trustedHops": 1, "ipv6Prefix": 56}},
                        {"header": "x-api-key"}, {"cookie": "session"}, "method",
                        {"path": {"template": "/users/{id}/**"}}, {"shardKey": {"shardMap": "orders"}}
                    ],
                    "quota": {"slidingWindow": {"requests": 100, "window": "1m"}},
                    "plans": {
                        "from": {"header": "x-plan"},
                        "quotas": {"gold": {"slidingWindow": {"requests": 1000, "window": "1m"}}}
                    },
                    "cost": {
                        "constant": 2,
                        "matches": [{"match": {"methods": ["POST"]}, "cost": 5}],
                        "requestHeader": {"name": "x-cost", "max": 100},
                        "responseHeader": {"name": "x-actual-cost", "max": 100}
                    }
                },
                {"name": "under-way", "quota": {"concurrency": {"requests": 10, "maxDuration": "30s"}}}
            ]
        }
    })
}

/// The pointers and reasons of what is wrong with the full policy when `value` stands at `pointer`.
fn with(pointer: &str, value: Value) -> Vec<(String, String)> {
    let mut document = full();
    *document.pointer_mut(pointer).unwrap() = value;
    problems(document)
}

fn problems(document: Value) -> Vec<(String, String)> {
    match Document::from_value(document) {
        Ok(_) => Vec::new(),
        Err(problems) => problems
            .into_iter()
            .map(|problem| (problem.pointer, problem.reason))
            .collect(),
    }
}

fn one(pointer: &str, reason: &str) -> Vec<(String, String)> {
    vec![(pointer.to_owned(), reason.to_owned())]
}

#[test]
fn everything_reads_back() {
    let document = Document::from_value(full()).unwrap();
    let again = Document::from_value(document.to_value()).unwrap();
    assert_eq!(document, again);
}

#[test]
fn little_is_enough() {
    let value = json!({
        "apiVersion": "weir.dev/v1alpha1", "kind": "RateLimitPolicy", "metadata": {"name": "api"},
        "spec": {"limits": [{"name": "all", "quota": {"rate": {"requests": 10, "window": "1s"}}}]}
    });
    assert_eq!(problems(value), []);
}

#[test]
fn numbers_have_bounds() {
    const RATE: &str = "/spec/limits/0/quota/rate";
    for (requests, window) in [
        (json!(0), "1s"),
        (json!(1_000_001), "1s"),
        (json!(1_001), "1ms"),
        (json!(1_000_000_000_001_u64), "366d"),
    ] {
        let found = with(RATE, json!({"requests": requests, "window": window}));
        assert_eq!(
            found,
            one(&format!("{RATE}/requests"), "rate_out_of_range"),
            "{requests}"
        );
    }
    for window in ["0ms", "367d"] {
        let found = with(&format!("{RATE}/window"), json!(window));
        assert_eq!(found, one(&format!("{RATE}/window"), "duration_out_of_range"));
    }
    for (burst, window) in [(0, "1s"), (400_000_000_000_u64, "1m")] {
        let found = with(RATE, json!({"requests": 1, "window": window, "burst": burst}));
        assert_eq!(found, one(&format!("{RATE}/burst"), "burst_out_of_range"));
    }
    for requests in [
        json!(-1),
        json!(1.5),
        json!("10"),
        json!(18_446_744_073_709_551_616_f64),
    ] {
        let found = with(&format!("{RATE}/requests"), requests);
        assert!(found[0].0.starts_with("/spec/limits/0/quota"), "{found:?}");
    }
}

#[test]
fn each_field_says_what_it_expects() {
    let cases = [
        ("/spec/maxKeys", json!(0), "/spec/maxKeys", "number_out_of_range"),
        (
            "/spec/mode",
            json!("enforce"),
            "/spec/candidateFor",
            "not_in_shadow",
        ),
        ("/spec/limits", json!([]), "/spec/limits", "limit_count"),
        (
            "/spec/limits/1/name",
            json!("under-way"),
            "/spec/limits/2/name",
            "duplicate_limit",
        ),
        (
            "/spec/limits/1/parent",
            json!("nobody"),
            "/spec/limits/1/parent",
            "unknown_limit",
        ),
        (
            "/spec/limits/1/parent",
            json!("client"),
            "/spec/limits/1/parent",
            "too_deep",
        ),
        (
            "/spec/limits/0/fleet/proxies",
            json!(0),
            "/spec/limits/0/fleet/proxies",
            "number_out_of_range",
        ),
        (
            "/spec/limits/0/quota",
            json!({"concurrency": {"requests": 5}}),
            "/spec/limits/0/fleet",
            "not_a_rate",
        ),
        (
            "/spec/limits/1/plans/quotas/gold",
            json!({"rate": {"requests": 1, "window": "1s"}}),
            "/spec/limits/1/plans/quotas/gold",
            "other_kind",
        ),
        (
            "/spec/limits/1/plans/quotas",
            json!({}),
            "/spec/limits/1/plans/quotas",
            "plan_count",
        ),
        (
            "/spec/limits/1/cost/constant",
            json!(0),
            "/spec/limits/1/cost/constant",
            "number_out_of_range",
        ),
        (
            "/spec/limits/1/cost/requestHeader/name",
            json!("X Cost"),
            "/spec/limits/1/cost/requestHeader/name",
            "invalid_header_name",
        ),
        (
            "/spec/limits/1/cost/responseHeader/max",
            json!(2_000_000),
            "/spec/limits/1/cost/responseHeader/max",
            "number_out_of_range",
        ),
        (
            "/spec/limits/1/key/0/clientAddress/trustedHops",
            json!(33),
            "/spec/limits/1/key/0/clientAddress/trustedHops",
            "number_out_of_range",
        ),
        (
            "/spec/limits/1/key/0/clientAddress/ipv6Prefix",
            json!(129),
            "/spec/limits/1/key/0/clientAddress/ipv6Prefix",
            "number_out_of_range",
        ),
        (
            "/spec/limits/1/key/2/cookie",
            json!("a b"),
            "/spec/limits/1/key/2/cookie",
            "invalid_cookie_name",
        ),
        (
            "/spec/limits/0/key/0/jwtClaim/claim",
            json!("a..b"),
            "/spec/limits/0/key/0/jwtClaim/claim",
            "invalid_claim",
        ),
        (
            "/spec/limits/0/key/0/jwtClaim",
            json!({"claim": "sub", "unverified": true, "provider": "corp"}),
            "/spec/limits/0/key/0/jwtClaim/provider",
            "unverified_provider",
        ),
        (
            "/spec/limits/1/key/4/path/template",
            json!("/users/*"),
            "/spec/limits/1/key/4/path/template",
            "no_variable",
        ),
        (
            "/spec/exempt/1/clientAddress/networks",
            json!([]),
            "/spec/exempt/1/clientAddress/networks",
            "no_networks",
        ),
        (
            "/spec/exempt/1/clientAddress/networks/0",
            json!("10.0.0.0/33"),
            "/spec/exempt/1/clientAddress/networks/0",
            "invalid_network",
        ),
        (
            "/spec/exempt/0/match/path/value",
            json!("x"),
            "/spec/exempt/0/match/path/value",
            "invalid_path",
        ),
        ("/spec/onError", json!("ignore"), "/spec/onError", "unknown_value"),
    ];
    for (place, value, pointer, reason) in cases {
        assert_eq!(with(place, value), one(pointer, reason), "{place}");
    }
}

#[test]
fn a_request_under_way_has_no_cost() {
    let mut document = full();
    document["spec"]["limits"][2]["cost"] = json!({"constant": 2});
    assert_eq!(problems(document), one("/spec/limits/2/cost", "no_cost"));
}

#[test]
fn a_quota_of_the_fleet_has_no_plans() {
    let mut document = full();
    document["spec"]["limits"][0]["plans"] =
        json!({"from": {"header": "x-plan"}, "quotas": {"gold": {"rate": {"requests": 1, "window": "1s"}}}});
    assert_eq!(problems(document), one("/spec/limits/0/plans", "fleet_plans"));
}
