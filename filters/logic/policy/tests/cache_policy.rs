//! CachePolicy: what is taken, what is refused, where and why.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use serde_json::{Value, json};
use weir_policy::document::cache_policy::CachePolicySpec;
use weir_policy::document::cache_policy::ttl::Heuristic;
use weir_policy::document::{Document, Spec};
use weir_policy::quantity::Duration;

fn document(spec: &Value) -> Value {
    json!({"apiVersion": "weir.dev/v1alpha1", "kind": "CachePolicy", "metadata": {"name": "pages"}, "spec": spec})
}

/// A policy with everything in it.
fn full() -> Value {
    document(&json!({
        "targetRefs": [{"group": "weir.dev", "kind": "Gateway", "name": "edge", "sectionName": "pages"}],
        "match": [{"path": {"type": "Prefix", "value": "/pages"}}],
        "priority": 5,
        "mode": "shadow",
        "key": {
            "sharedAcrossKeys": true,
            "version": 7,
            "query": {"except": ["utm_*", "fbclid"]},
            "sortQuery": true,
            "headers": ["x-device"],
            "graphql": {"persistedQueries": true}
        },
        "ttl": {
            "default": "30s",
            "heuristic": {"percent": 20, "max": "1h"},
            "max": "7d",
            "rules": [
                {"statuses": [404, 410], "ttl": "10s"},
                {"match": {"path": {"type": "Prefix", "value": "/pages/static"}}, "ttl": "1d", "replacesOrigin": true}
            ],
            "hitForMiss": "0ms"
        },
        "stale": {"whileRevalidate": "30s", "ifError": "1h"},
        "vary": {"ignore": ["user-agent"]},
        "tags": {"headers": ["surrogate-key"], "forward": true},
        "targets": ["Edge-Cache-Control", "CDN-Cache-Control"],
        "cdn": {
            "cacheControl": "max-age=60, stale-while-revalidate=30",
            "surrogateControl": "max-age=60",
            "tagHeader": "cache-tag",
            "purge": {
                "url": "http://cdn.example:8080/purge?site=1",
                "headers": [
                    {"name": "x-site", "value": "shop"},
                    {"name": "authorization", "fromEnv": "WEIR_CDN_TOKEN"}
                ],
                "timeout": "5s"
            }
        },
        "bypass": {"headers": ["x-preview"], "cookies": ["session"]},
        "storeSetCookie": true,
        "limits": {"objectSize": "64KiB", "totalSize": "16MiB", "objects": 1000},
        "coalesce": {"maxWaiters": 0, "timeout": "2s"},
        "compression": {"minSize": "2KiB", "types": ["text/*", "application/json"]},
        "tier2": {"backend": "tier", "timeout": "20ms", "wait": "20ms"},
        "callTimeout": "3s"
    }))
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

fn spec(spec: &Value) -> CachePolicySpec {
    match Document::from_value(document(spec)).unwrap().spec {
        Spec::CachePolicy(spec) => *spec,
        other => panic!("{other:?}"),
    }
}

#[test]
fn everything_reads_back() {
    for value in [full(), document(&json!({}))] {
        let document = Document::from_value(value).unwrap();
        let again = Document::from_value(document.to_value()).unwrap();
        assert_eq!(document, again);
    }
}

#[test]
fn nothing_need_be_said() {
    let spec = spec(&json!({}));
    assert!(!spec.key.shared_across_keys && spec.key.version == 1);
    assert_eq!(spec.ttl.heuristic, None);
    assert_eq!(spec.ttl.hit_for_miss, Duration::from_secs(10));
    assert_eq!(spec.tags.headers, ["surrogate-key", "cache-tag"]);
    assert_eq!(spec.target_names(), ["weir-cache-control", "cdn-cache-control"]);
    assert_eq!(spec.limits.object_count(), 65_536);
    assert_eq!(
        (spec.coalesce.max_waiters, spec.call_timeout),
        (1_000, Duration::from_secs(10))
    );
    assert_eq!((spec.cdn, spec.compression, spec.tier2), (None, None, None));
}

#[test]
fn a_guess_is_made_where_the_policy_wants_one() {
    let wanted = spec(&json!({"ttl": {"heuristic": {}}}));
    let day = Duration::from_secs(86_400);
    let guess = Heuristic {
        percent: 10,
        max: day,
    };
    assert_eq!(wanted.ttl.heuristic, Some(guess));
    let read = Document::from_value(document(&serde_json::to_value(&wanted).unwrap())).unwrap();
    assert_eq!(read.spec, Spec::CachePolicy(Box::new(wanted)));
}

#[test]
fn objects_are_bounded_by_what_there_is_room_for() {
    let count = |limits: Value| spec(&json!({ "limits": limits })).limits.object_count();
    assert_eq!(count(json!({"objectSize": "1B", "totalSize": "1B"})), 1);
    assert_eq!(count(json!({"totalSize": "2GiB"})), 1_000_000);
    assert_eq!(count(json!({"objects": 7})), 7);
}

#[test]
fn quantities_have_bounds() {
    let durations = [
        ("/spec/ttl/default", &["367d"][..]),
        ("/spec/ttl/heuristic/max", &["0ms", "367d"]),
        ("/spec/ttl/max", &["0ms", "367d"]),
        ("/spec/ttl/rules/0/ttl", &["367d"]),
        ("/spec/ttl/hitForMiss", &["2d"]),
        ("/spec/stale/whileRevalidate", &["367d"]),
        ("/spec/stale/ifError", &["367d"]),
        ("/spec/coalesce/timeout", &["0ms", "301s"]),
        ("/spec/tier2/timeout", &["0ms", "301s"]),
        ("/spec/tier2/wait", &["21ms"]),
        ("/spec/callTimeout", &["0ms", "301s"]),
    ];
    for (pointer, values) in durations {
        for value in values {
            assert_eq!(
                with(pointer, json!(value)),
                one(pointer, "duration_out_of_range"),
                "{value}"
            );
        }
    }
    let sizes = [
        ("/spec/limits/objectSize", &["0B", "65MiB", "17MiB"][..]),
        ("/spec/limits/totalSize", &["0B", "3GiB"]),
        ("/spec/compression/minSize", &["0B", "65MiB"]),
    ];
    for (pointer, values) in sizes {
        for value in values {
            assert_eq!(
                with(pointer, json!(value)),
                one(pointer, "size_out_of_range"),
                "{value}"
            );
        }
    }
    let numbers = [
        ("/spec/limits/objects", "number_out_of_range", &[0, 1_000_001][..]),
        ("/spec/coalesce/maxWaiters", "number_out_of_range", &[100_001]),
        ("/spec/ttl/heuristic/percent", "percent_out_of_range", &[0, 101]),
    ];
    for (pointer, reason, values) in numbers {
        for value in values {
            assert_eq!(with(pointer, json!(value)), one(pointer, reason), "{value}");
        }
    }
}

/// The tier refuses to wait for longer than 30 s, however long a look-up may take.
#[test]
fn nobody_waits_in_the_tier_for_longer_than_it_lets_them() {
    let waits = |wait: &str| {
        with(
            "/spec/tier2",
            json!({"backend": "tier", "timeout": "60s", "wait": wait}),
        )
    };
    assert_eq!(waits("30s"), []);
    assert_eq!(waits("30001ms"), one("/spec/tier2/wait", "duration_out_of_range"));
}

/// The object's size is at fault, not the total.
#[test]
fn no_object_is_larger_than_all_of_them() {
    assert_eq!(
        with("/spec/limits", json!({"objectSize": "2MiB", "totalSize": "1MiB"})),
        one("/spec/limits/objectSize", "size_out_of_range")
    );
}

#[test]
fn lists_of_headers_have_names_that_can_be_compared() {
    let lists = [
        "/spec/key/headers",
        "/spec/vary/ignore",
        "/spec/tags/headers",
        "/spec/bypass/headers",
    ];
    let many: Vec<String> = (0..65).map(|number| format!("x-{number}")).collect();
    for list in lists {
        for (names, place, reason) in [
            (json!(["X-Upper"]), "/0", "invalid_header_name"),
            (json!(["a", "b c"]), "/1", "invalid_header_name"),
            (json!([""]), "/0", "invalid_header_name"),
            (json!([":path"]), "/0", "invalid_header_name"),
            (json!(["a", "b", "a"]), "/2", "duplicate_name"),
            (json!(["x".repeat(257)]), "/0", "name_too_long"),
            (json!(["connection"]), "/0", "hop_by_hop"),
            (json!(["transfer-encoding"]), "/0", "hop_by_hop"),
            (json!(many), "", "too_many_names"),
        ] {
            assert_eq!(with(list, names), one(&format!("{list}{place}"), reason));
        }
    }
}

#[test]
fn each_field_says_what_it_expects() {
    let cases = [
        ("/spec/mode", json!("on"), "/spec/mode", "unknown_value"),
        (
            "/spec/key/version",
            json!(-1),
            "/spec/key/version",
            "invalid_value",
        ),
        (
            "/spec/key/query",
            json!("none"),
            "/spec/key/query",
            "unknown_value",
        ),
        (
            "/spec/key/query",
            json!({"only": ["a", "a"]}),
            "/spec/key/query/only/1",
            "duplicate_name",
        ),
        (
            "/spec/key/query",
            json!({"only": ["utm_*"]}),
            "/spec/key/query/only/0",
            "invalid_parameter",
        ),
        (
            "/spec/key/query/except/0",
            json!("a*b"),
            "/spec/key/query/except/0",
            "invalid_parameter",
        ),
        (
            "/spec/key/query/except/0",
            json!("*"),
            "/spec/key/query/except/0",
            "invalid_parameter",
        ),
        (
            "/spec/key/query/except/0",
            json!("a=b"),
            "/spec/key/query/except/0",
            "invalid_parameter",
        ),
        (
            "/spec/ttl/rules/0/statuses/0",
            json!(304),
            "/spec/ttl/rules/0/statuses/0",
            "unknown_status",
        ),
        (
            "/spec/ttl/rules/0/statuses/0",
            json!(103),
            "/spec/ttl/rules/0/statuses/0",
            "unknown_status",
        ),
        (
            "/spec/ttl/rules/0/statuses/0",
            json!(999),
            "/spec/ttl/rules/0/statuses/0",
            "unknown_status",
        ),
        (
            "/spec/ttl/rules/0/statuses/1",
            json!(404),
            "/spec/ttl/rules/0/statuses/1",
            "duplicate_status",
        ),
        (
            "/spec/ttl/rules/1/match/path/value",
            json!("x"),
            "/spec/ttl/rules/1/match/path/value",
            "invalid_path",
        ),
        (
            "/spec/ttl/rules",
            json!(vec![json!({"ttl": "1s"}); 65]),
            "/spec/ttl/rules",
            "too_many_rules",
        ),
        (
            "/spec/targets/0",
            json!("Cache-Control"),
            "/spec/targets/0",
            "not_targeted",
        ),
        (
            "/spec/targets/0",
            json!("cdn-cache-control"),
            "/spec/targets/1",
            "duplicate_name",
        ),
        (
            "/spec/targets/0",
            json!("Keep-Alive"),
            "/spec/targets/0",
            "hop_by_hop",
        ),
        (
            "/spec/targets/0",
            json!("a b"),
            "/spec/targets/0",
            "invalid_header_name",
        ),
        (
            "/spec/cdn/tagHeader",
            json!("x-tags"),
            "/spec/cdn/tagHeader",
            "unknown_value",
        ),
        (
            "/spec/cdn/cacheControl",
            json!("max-age=1\r\nx: y"),
            "/spec/cdn/cacheControl",
            "invalid_header_value",
        ),
        (
            "/spec/cdn/purge/timeout",
            json!("0ms"),
            "/spec/cdn/purge/timeout",
            "duration_out_of_range",
        ),
        (
            "/spec/cdn/purge/headers/0/name",
            json!("X Site"),
            "/spec/cdn/purge/headers/0/name",
            "invalid_header_name",
        ),
        (
            "/spec/cdn/purge/headers/0/name",
            json!("host"),
            "/spec/cdn/purge/headers/0/name",
            "reserved_header",
        ),
        (
            "/spec/cdn/purge/headers/0/value",
            json!("a\r\nx: y"),
            "/spec/cdn/purge/headers/0/value",
            "invalid_header_value",
        ),
        (
            "/spec/cdn/purge/headers/1/fromEnv",
            json!("AWS_SECRET_ACCESS_KEY"),
            "/spec/cdn/purge/headers/1/fromEnv",
            "invalid_variable",
        ),
        (
            "/spec/cdn/purge/headers/1",
            json!({"name": "x-a"}),
            "/spec/cdn/purge/headers/1",
            "one_value",
        ),
        (
            "/spec/cdn/surrogateControl",
            json!(" "),
            "/spec/cdn/surrogateControl",
            "invalid_header_value",
        ),
        (
            "/spec/bypass/cookies/0",
            json!("a b"),
            "/spec/bypass/cookies/0",
            "invalid_cookie_name",
        ),
        (
            "/spec/compression/types",
            json!([]),
            "/spec/compression/types",
            "no_types",
        ),
        (
            "/spec/compression/types/0",
            json!("html"),
            "/spec/compression/types/0",
            "invalid_media_type",
        ),
        (
            "/spec/compression/types/0",
            json!("*/*"),
            "/spec/compression/types/0",
            "invalid_media_type",
        ),
        (
            "/spec/compression/types/0",
            json!("text/h*"),
            "/spec/compression/types/0",
            "invalid_media_type",
        ),
        (
            "/spec/compression/types/0",
            json!("Text/html"),
            "/spec/compression/types/0",
            "invalid_media_type",
        ),
        (
            "/spec/tier2/backend",
            json!("Tier"),
            "/spec/tier2/backend",
            "invalid_name",
        ),
        ("/spec/callTimeout", json!(10), "/spec/callTimeout", "wrong_type"),
        (
            "/spec/match/0/path/value",
            json!("x"),
            "/spec/match/0/path/value",
            "invalid_path",
        ),
        (
            "/spec/targetRefs/0/kind",
            json!("Service"),
            "/spec/targetRefs/0/kind",
            "unknown_target",
        ),
    ];
    for (place, value, pointer, reason) in cases {
        let found = with(place, value.clone());
        assert_eq!(found, one(pointer, reason), "{place}: {value}");
    }
    let unknown = document(&json!({"ttl": {"maxx": "1s"}}));
    assert_eq!(problems(unknown), one("/spec/ttl/maxx", "unknown_field"));
}

#[test]
fn a_cdn_is_told_at_an_http_or_https_url_with_a_host() {
    for good in [
        "http://cdn",
        "http://cdn:80/",
        "http://127.0.0.1:8080/purge?a=%20",
        "http://cdn?x",
        "https://cdn/purge",
        "https://cdn.example:8443",
    ] {
        assert_eq!(with("/spec/cdn/purge/url", json!(good)), [], "{good}");
    }
    for bad in [
        "",
        "cdn/purge",
        "ftp://cdn/purge",
        "https:/cdn/purge",
        "HTTPS://cdn/purge",
        "https://",
        "http://",
        "http:///purge",
        "http://user:secret@cdn/",
        "http://cdn:99999/",
        "http://cdn/a b",
        "http://cdn/#a",
        "http://cdn/\u{e4}",
    ] {
        let expected = [("/spec/cdn/purge/url".to_owned(), "invalid_url".to_owned())];
        assert_eq!(with("/spec/cdn/purge/url", json!(bad)), expected, "{bad}");
    }
}
