//! Asking the origin (RFC 9111 sections 3.2, 4.3 and 4.4).

use serde_json::json;
use weir_http_cache::{CacheRules, Head, NotStored, Reuse, Updated};

use crate::fixture::{NOW, date, headers, lookup, request_headers, rules, text, with};

const MINUTE: u64 = 60_000;

fn stored(rules: &CacheRules, fields: &[(&str, &str)]) -> Head {
    rules
        .judge(&lookup(rules, "a.example/", &[]), 200, &headers(fields), NOW, NOW)
        .unwrap()
}

fn update(rules: &CacheRules, head: &Head, fields: &[(&str, &str)]) -> Updated {
    let request = lookup(rules, "a.example/", &[]);
    rules.update(&request, head, &headers(fields), NOW + MINUTE, NOW + MINUTE)
}

fn kept(rules: &CacheRules, head: &Head, fields: &[(&str, &str)]) -> Head {
    match update(rules, head, fields) {
        Updated::Keep(head) => head,
        Updated::Once(_, why) => panic!("{why:?}"),
    }
}

#[test]
fn the_caches_conditions_stand_in_place_of_the_clients() {
    let rules = rules();
    let head = stored(
        rules,
        &[
            ("cache-control", "max-age=1"),
            ("etag", "\"a\""),
            ("last-modified", &date(-9)),
        ],
    );
    let client = [
        ("if-none-match", "\"x\""),
        ("if-modified-since", "x"),
        ("if-match", "x"),
        ("if-range", "x"),
        ("range", "bytes=0-1"),
        ("connection", "b, close"),
        ("b", "1"),
        ("x-envoy-attempt-count", "1"),
        ("x-weir-shard", "1"),
        ("accept", "c"),
    ];
    let request = lookup(rules, "a.example/p", &client);
    let end_to_end = request_headers("a.example/p", &[("accept", "c")]);
    assert_eq!(request.end_to_end(), end_to_end);
    assert_eq!(request.fetch_headers(), end_to_end);
    assert_eq!(
        request.validators(&head),
        headers(&[("if-none-match", "\"a\""), ("if-modified-since", &*date(-9))])
    );
    let by_head = lookup(rules, "HEAD a.example/p", &[("cache-control", "only-if-cached")]);
    assert_eq!(by_head.fetch_headers(), request_headers("a.example/p", &[]));
}

#[test]
fn a_304_makes_it_fresh_and_brings_new_fields() {
    let rules = rules();
    let fields = [
        ("cache-control", "max-age=9"),
        ("etag", "\"a\""),
        ("age", "5"),
        ("b", "1"),
        ("c", "1"),
        ("date", &*date(0)),
    ];
    let head = stored(rules, &fields);
    let new = [
        ("b", "2"),
        ("B", "3"),
        ("connection", "c, d"),
        ("c", "9"),
        ("d", "9"),
        ("keep-alive", "9"),
        ("age", "2"),
    ];
    let found = kept(rules, &head, &new);
    let value = |name: &str| {
        found
            .headers
            .joined(name)
            .map(|value| String::from_utf8(value).unwrap())
    };
    assert_eq!(value("b").as_deref(), Some("2, 3"));
    assert_eq!(value("c").as_deref(), Some("1"));
    assert_eq!(
        (value("d"), value("keep-alive"), value("age")),
        (None, None, None)
    );
    assert_eq!(value("date"), Some(date(60)));
    assert_eq!(
        (found.initial_age_ms, found.lifetime_ms, found.response_ms),
        (2000, 9000, NOW + MINUTE)
    );
    assert_eq!(
        kept(rules, &head, &[("cache-control", "max-age=99")]).lifetime_ms,
        99_000
    );
}

#[test]
fn a_304_says_nothing_of_the_stored_body() {
    let rules = rules();
    let body = [
        ("content-encoding", "1"),
        ("content-md5", "1"),
        ("content-range", "1"),
        ("etag", "\"a\""),
    ];
    let head = stored(
        rules,
        &[
            &body[..],
            &[("cache-control", "max-age=9"), ("content-type", "a/b")],
        ]
        .concat(),
    );
    let changed: Vec<_> = body.iter().map(|(name, _)| (*name, "\"2\"")).collect();
    let found = kept(
        rules,
        &head,
        &[&changed[..], &[("content-type", "c/d"), ("content-length", "99")]].concat(),
    );
    for (name, value) in body {
        assert_eq!(text(found.headers.get(name)), Some(value), "{name}");
    }
    assert_eq!(text(found.headers.get("content-type")), Some("c/d"));
    let without_tag = stored(rules, &[("last-modified", "x"), ("cache-control", "max-age=9")]);
    assert_eq!(
        kept(rules, &without_tag, &[("etag", "\"b\"")]).etag(),
        Some(&b"\"b\""[..])
    );
}

#[test]
fn a_304_may_end_the_storing() {
    let rules = rules();
    let head = stored(
        rules,
        &[("cache-control", "max-age=9"), ("etag", "\"a\""), ("b", "1")],
    );
    match update(rules, &head, &[("cache-control", "no-store"), ("b", "2")]) {
        Updated::Once(once, NotStored::NoStore) => assert_eq!(text(once.headers.get("b")), Some("2")),
        other => panic!("{other:?}"),
    }
}

#[test]
fn cookies_of_a_304_are_stored_where_cookies_are() {
    let fields = [("cache-control", "max-age=9"), ("etag", "\"a\"")];
    let cookie = |rules: &CacheRules| {
        let found = kept(rules, &stored(rules, &fields), &[("set-cookie", "a=b")]);
        found.headers.get("set-cookie").is_some()
    };
    assert!(!cookie(rules()));
    assert!(cookie(&with(&[("/storeSetCookie", json!(true))])));
}

#[test]
fn tags_stay_unless_the_304_has_others() {
    let rules = rules();
    let head = stored(
        rules,
        &[
            ("cache-control", "max-age=9"),
            ("etag", "\"a\""),
            ("surrogate-key", "x y"),
        ],
    );
    assert_eq!(kept(rules, &head, &[]).tags, [b"x", b"y"]);
    assert_eq!(kept(rules, &head, &[("surrogate-key", "z")]).tags, [b"z"]);
}

#[test]
fn a_head_request_freshens_what_is_the_same() {
    let rules = rules();
    let head = stored(
        rules,
        &[
            ("cache-control", "max-age=9"),
            ("etag", "\"a\""),
            ("last-modified", "x"),
            ("b", "1"),
        ],
    );
    let times = (NOW + MINUTE, NOW + MINUTE);
    let freshened = |fields: &[(&str, &str)]| {
        let request = lookup(rules, "HEAD a.example/", &[]);
        rules.freshened_by_head(&request, &head, &headers(fields), 10, times)
    };
    let found = freshened(&[("etag", "\"a\""), ("content-length", "10"), ("b", "2")]).unwrap();
    assert_eq!(text(found.headers.get("b")), Some("2"));
    assert_eq!(
        rules.reuse(
            &lookup(rules, "a.example/", &[]),
            &found,
            NOW + MINUTE + 8000,
            false
        ),
        Reuse::Fresh
    );
    assert!(freshened(&[]).is_some());
    assert_eq!(freshened(&[("etag", "\"b\"")]), None);
    assert_eq!(freshened(&[("last-modified", "y")]), None);
    assert_eq!(freshened(&[("content-length", "11")]), None);
    assert_eq!(freshened(&[("cache-control", "no-store")]), None);
}

#[test]
fn unsafe_requests_invalidate_urls_of_their_origin() {
    let rules = rules();
    let check = |status, fields: &[(&str, &str)], expected: &[&str]| {
        let request = lookup(rules, "POST A.example:80/p/q?r", &[]);
        let found = rules.invalidated(&request, status, &headers(fields));
        let found: Vec<_> = found
            .into_iter()
            .map(|url| String::from_utf8(url).unwrap())
            .collect();
        assert_eq!(found, expected, "{status} {fields:?}");
    };
    check(200, &[], &["a.example/p/q?r"]);
    check(302, &[("location", "s")], &["a.example/p/q?r", "a.example/p/s"]);
    check(
        201,
        &[("location", "http://a.example/x"), ("content-location", "/y")],
        &["a.example/p/q?r", "a.example/x", "a.example/y"],
    );
    check(
        204,
        &[("location", "/p/q?r"), ("content-location", "//b.example/")],
        &["a.example/p/q?r"],
    );
    check(200, &[("location", "https://a.example/x")], &["a.example/p/q?r"]);
    for error in [199, 400, 404, 500, 503] {
        check(error, &[("location", "/x")], &[]);
    }
}
