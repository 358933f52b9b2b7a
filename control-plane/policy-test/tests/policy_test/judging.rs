//! Each expectation, where it holds and where it does not, on outcomes made up for it.

use std::time::Duration;

use serde_json::{Value, json};
use weir_policy_test::{Expectation, Mismatch, Observed, UpstreamCall};
use weir_wasm_tests::HeaderMap;

/// The mismatches of `expectation`, as `field: expected, got`.
fn judge(expectation: Value, observed: &Observed) -> Vec<String> {
    let expectation: Expectation = serde_json::from_value(expectation).unwrap();
    let line = |Mismatch { field, expected, got }: Mismatch| format!("{field}: {expected}, {got}");
    expectation.judge(observed).into_iter().map(line).collect()
}

fn call(at: u64, ended: Option<u64>) -> UpstreamCall {
    UpstreamCall {
        cluster: "weir/default/orders/a/read".to_owned(),
        shard: Some("a".to_owned()),
        headers: headers(&[
            (":method", "GET"),
            (":path", "/orders?x=1"),
            ("x-tag", "1"),
            ("x-tag", "2"),
        ]),
        at: Duration::from_millis(at),
        ended: ended.map(Duration::from_millis),
        ..UpstreamCall::default()
    }
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    pairs.iter().copied().collect()
}

fn answered() -> Observed {
    Observed {
        status: Some(200),
        headers: headers(&[
            ("content-type", "application/json"),
            ("x-tag", "1"),
            ("X-Tag", "2"),
        ]),
        body: br#"{"orders": [{"id": 7}], "next": null}"#.to_vec(),
        upstream: vec![call(0, Some(5))],
        ..Observed::default()
    }
}

fn green(expectation: Value, observed: &Observed) {
    assert_eq!(judge(expectation.clone(), observed), [""; 0], "{expectation}");
}

fn red(expectation: Value, observed: &Observed, expected: &[&str]) {
    assert_eq!(judge(expectation.clone(), observed), expected, "{expectation}");
}

#[test]
fn the_answer() {
    let seen = answered();
    green(json!({}), &seen);
    green(json!({"status": 200}), &seen);
    red(json!({"status": 201}), &seen, &["status: 201, 200"]);
    red(
        json!({"status": 200}),
        &Observed::default(),
        &["status: 200, none"],
    );
    green(
        json!({"headers": {"x-tag": "1, 2", "X-None": null, "content-type": {"matches": "application/.*"}}}),
        &seen,
    );
    red(
        json!({"headers": {"content-type": {"matches": "json"}, "x-none": "1", "x-tag": null}}),
        &seen,
        &[
            r#"headers.content-type: matches "json", "application/json""#,
            r#"headers.x-none: "1", none"#,
            r#"headers.x-tag: none, "1, 2""#,
        ],
    );
}

#[test]
fn the_body() {
    let seen = answered();
    green(json!({"body": {"matches": r#"\{"orders".*"#}}), &seen);
    green(
        json!({"bodyJson": {"/orders/0/id": 7, "/orders": [{"id": 7}], "/next": null, "/none": null}}),
        &seen,
    );
    red(
        json!({"bodyJson": {"/orders/0/id": "7", "/none": 1}}),
        &seen,
        &["bodyJson /none: 1, none", "bodyJson /orders/0/id: \"7\", 7"],
    );
    let text = Observed {
        body: b"plain".to_vec(),
        ..answered()
    };
    green(json!({"body": "plain"}), &text);
    red(json!({"body": ""}), &text, &[r#"body: "", "plain""#]);
    red(
        json!({"bodyJson": {"/a": null}}),
        &text,
        &[r#"bodyJson /a: null, not JSON: "plain""#],
    );
}

#[test]
fn the_place() {
    let seen = answered();
    green(
        json!({"shard": "a", "cluster": "weir/default/orders/a/read"}),
        &seen,
    );
    red(
        json!({"shard": "b", "cluster": null}),
        &seen,
        &[
            r#"shard: "b", "a""#,
            r#"cluster: none, "weir/default/orders/a/read""#,
        ],
    );
    let nowhere = Observed::default();
    green(json!({"shard": null, "cluster": null}), &nowhere);
    red(json!({"shard": "a"}), &nowhere, &[r#"shard: "a", none"#]);
    red(
        json!({"shard": {"matches": ".*"}}),
        &nowhere,
        &[r#"shard: matches ".*", none"#],
    );
}

#[test]
fn what_reached_upstreams() {
    let seen = Observed {
        upstream: vec![call(0, Some(5)), call(6, Some(7))],
        ..answered()
    };
    let all = json!({"count": 2, "method": "GET", "path": "/orders?x=1", "headers": {"x-tag": "1, 2", "x-no": null}});
    green(json!({"upstream": all}), &seen);
    green(json!({"upstream": {"count": {"atLeast": 2}}}), &seen);
    red(
        json!({"upstream": {"count": 1}}),
        &seen,
        &["upstream.count: 1, 2"],
    );
    red(
        json!({"upstream": {"count": {"atLeast": 3}}}),
        &seen,
        &["upstream.count: at least 3, 2"],
    );
    red(
        json!({"upstream": {"method": "PUT", "path": "/", "headers": {"x-tag": "1"}}}),
        &answered(),
        &[
            r#"upstream[0].method: "PUT", "GET""#,
            r#"upstream[0].path: "/", "/orders?x=1""#,
            r#"upstream[0].headers.x-tag: "1", "1, 2""#,
        ],
    );
    let mut second = seen.clone();
    second.upstream[1].headers.replace(":path", "/other");
    red(
        json!({"upstream": {"path": "/orders?x=1"}}),
        &second,
        &[r#"upstream[1].path: "/orders?x=1", "/other""#],
    );
    green(json!({"upstream": {"count": 0}}), &Observed::default());
    red(
        json!({"upstream": {"headers": {"x-tag": null}}}),
        &Observed::default(),
        &["upstream: a request to an upstream, none"],
    );
}

#[test]
fn cached() {
    let with = |status: u16, caches: Option<&str>, reached: bool| Observed {
        status: Some(status),
        headers: headers(
            &caches
                .map(|caches| ("cache-status", caches))
                .into_iter()
                .collect::<Vec<_>>(),
        ),
        upstream: Vec::from_iter(reached.then(|| call(0, Some(1)))),
        ..Observed::default()
    };
    for (expected, status, caches, reached) in [
        (true, 200, None, false),
        (true, 304, None, false),
        (false, 200, None, true),
        (false, 429, None, false),
        (false, 503, None, false),
        (true, 200, Some("weir; hit; ttl=3"), false),
        // Served from the cache, and refreshed behind the client's back.
        (true, 200, Some("weir;hit"), true),
        (true, 404, Some("weir; hit"), false),
        (true, 200, Some("weir; hit=?1"), false),
        (false, 200, Some("weir; hit=?0"), false),
        (false, 200, Some("weir; fwd=uri-miss"), true),
        (false, 200, Some("weir; fwd=stale; detail=\"; hit\""), true),
        (false, 200, Some("origin; hit, weir; fwd=uri-miss"), true),
        (
            true,
            200,
            Some("origin; fwd=miss, weir; detail=\"a, \\\"b\"; hit"),
            false,
        ),
        (false, 200, Some("weir; fwd=stale; detail=\"; hit; \""), true),
        (true, 200, Some("weir; hit; detail=\"a, b\""), false),
        (false, 200, Some("hit"), false),
    ] {
        let seen = with(status, caches, reached);
        green(json!({"cached": expected}), &seen);
        red(
            json!({"cached": !expected}),
            &seen,
            &[&format!("cached: {}, {expected}", !expected)],
        );
    }
}

#[test]
fn limited() {
    let with = |status, grpc: &[(&str, &str)], local_reply| Observed {
        status: Some(status),
        headers: headers(grpc),
        local_reply,
        ..Observed::default()
    };
    let exhausted: &[_] = &[("grpc-status", "8")];
    for (expected, seen) in [
        (true, with(429, &[], true)),
        (true, with(200, exhausted, true)),
        (false, with(429, &[], false)),
        (false, with(200, exhausted, false)),
        (false, with(200, &[("grpc-status", "14")], true)),
        (false, with(503, &[], true)),
    ] {
        green(json!({"limited": expected}), &seen);
        red(
            json!({"limited": !expected}),
            &seen,
            &[&format!("limited: {}, {expected}", !expected)],
        );
    }
}

#[test]
fn hedged() {
    let with = |upstream| Observed {
        upstream,
        ..Observed::default()
    };
    for (expected, delay, seen) in [
        (false, None, with(vec![])),
        (false, None, with(vec![call(0, Some(5))])),
        (
            true,
            Some(50),
            with(vec![call(10, Some(200)), call(60, Some(70))]),
        ),
        (true, Some(50), with(vec![call(0, None), call(50, Some(70))])),
        (
            true,
            Some(5),
            with(vec![call(0, Some(9)), call(5, None), call(6, Some(7))]),
        ),
        // A retry.
        (false, Some(20), with(vec![call(0, Some(20)), call(20, Some(30))])),
        (false, Some(30), with(vec![call(0, Some(20)), call(30, Some(40))])),
    ] {
        green(json!({"hedged": expected}), &seen);
        red(
            json!({"hedged": !expected}),
            &seen,
            &[&format!("hedged: {}, {expected}", !expected)],
        );
        match delay {
            Some(delay) => {
                green(json!({"hedgeDelay": format!("{delay}ms")}), &seen);
                red(
                    json!({"hedgeDelay": "1ms"}),
                    &seen,
                    &[&format!("hedgeDelay: 1ms, {delay}ms")],
                );
            }
            None => red(
                json!({"hedgeDelay": "1ms"}),
                &seen,
                &["hedgeDelay: 1ms, no second try"],
            ),
        }
    }
}

#[test]
fn all_that_does_not_hold_is_told() {
    let expectation =
        json!({"status": 201, "body": "x", "shard": "b", "upstream": {"count": 2}, "cached": true});
    assert_eq!(judge(expectation, &answered()).len(), 5);
}

#[test]
fn what_can_be_expected_is_said() {
    for (expectation, expected) in [
        (
            json!({"headers": {"x": 5}}),
            "expected a text, found 5: what is in quotes is a text",
        ),
        (
            json!({"shard": {"match": "a"}}),
            "expected a text, null for none, or {matches: PATTERN}",
        ),
        (json!({"body": {"matches": "("}}), "not a regular expression"),
        (json!({"body": ["a"]}), "expected a text, null for none"),
        (json!({"upstream": {"count": -1}}), "expected a whole number"),
        (
            json!({"upstream": {"count": {"atMost": 1}}}),
            "null for none, or {atLeast: NUMBER}",
        ),
        (json!({"hedgeDelay": "50"}), "expected a whole number with a unit"),
        (json!({"tries": 1}), "unknown field `tries`"),
    ] {
        let error = serde_json::from_value::<Expectation>(expectation)
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
    }
}
