//! What becomes of a request.

use serde_json::json;
use weir_http_cache::{Asked, CacheRules, Method, Pass};

use crate::fixture::{request_headers, rules, with};

fn outcome(rules: &CacheRules, what: &str, fields: &[(&str, &str)]) -> Result<Method, Pass> {
    match rules.read(request_headers(what, fields)) {
        Asked::Pass(pass) => Err(pass),
        Asked::Lookup(request) => {
            assert!(matches!(request.method, Method::Get | Method::Head));
            Ok(request.method)
        }
        Asked::Unsafe(request) => {
            assert!(matches!(request.method, Method::Post | Method::Other));
            Ok(request.method)
        }
    }
}

fn check(what: &str, fields: &[(&str, &str)], expected: Result<Method, Pass>) {
    assert_eq!(outcome(rules(), what, fields), expected, "{what} {fields:?}");
}

#[test]
fn the_method_decides_first() {
    check("GET a.example/", &[], Ok(Method::Get));
    check("HEAD a.example/", &[], Ok(Method::Head));
    check("POST a.example/", &[], Ok(Method::Post));
    for method in ["PUT", "DELETE", "PATCH", "M-SEARCH", "get", "FOO"] {
        check(&format!("{method} a.example/"), &[], Ok(Method::Other));
    }
    for method in ["OPTIONS", "TRACE", "PROPFIND", "REPORT", "SEARCH", "QUERY"] {
        check(&format!("{method} a.example/"), &[], Err(Pass::Method));
    }
}

#[test]
fn other_protocols_and_streams_pass() {
    check("CONNECT a.example/", &[], Err(Pass::Upgrade));
    check("a.example/", &[("upgrade", "websocket")], Err(Pass::Upgrade));
    check(
        "a.example/",
        &[("connection", "keep-alive, Upgrade")],
        Err(Pass::Upgrade),
    );
    check(
        "POST a.example/",
        &[("content-type", "application/grpc+proto")],
        Err(Pass::Grpc),
    );
    check(
        "a.example/",
        &[("content-type", "application/grpc-web")],
        Err(Pass::Grpc),
    );
    check(
        "a.example/",
        &[("accept", "text/html, Text/Event-Stream")],
        Err(Pass::EventStream),
    );
}

#[test]
fn what_can_not_be_keyed_passes() {
    check("a.example/", &[("content-length", "1")], Err(Pass::Body));
    check(
        "HEAD a.example/",
        &[("transfer-encoding", "chunked")],
        Err(Pass::Body),
    );
    check("a.example/", &[("content-length", "0")], Ok(Method::Get));
    check("/", &[], Err(Pass::NoTarget));
}

#[test]
fn what_client_or_policy_say_passes() {
    check(
        "a.example/",
        &[("cache-control", "max-age=1, No-Store")],
        Err(Pass::NoStore),
    );
    check(
        "a.example/",
        &[("cache-control", "a=\"no-store\"")],
        Ok(Method::Get),
    );
    let rules = with(&[
        ("/bypassHeaders", json!(["x-debug"])),
        ("/bypassCookies", json!(["session"])),
    ]);
    let check =
        |fields: &[(&str, &str)], expected| assert_eq!(outcome(&rules, "a.example/", fields), expected);
    check(&[("x-debug", "")], Err(Pass::BypassHeader));
    check(&[("cookie", "a=b; session=")], Err(Pass::BypassCookie));
    check(&[("cookie", "a=session; sessions=1")], Ok(Method::Get));
}

#[test]
fn a_policy_may_be_for_persisted_queries_alone() {
    let rules = with(&[("/key/persistedQueries", json!(true))]);
    let hash = "ab".repeat(32);
    let check = |extensions: &str, expected| {
        let what = format!("a.example/graphql?extensions={extensions}");
        assert_eq!(outcome(&rules, &what, &[]), expected, "{extensions}");
    };
    let json = format!("%7B%22persistedQuery%22:%7B%22version%22:1,%22sha256Hash%22:%22{hash}%22%7D%7D");
    check(&json, Ok(Method::Get));
    check(&json.replace("ab%22", "ag%22"), Err(Pass::NotPersisted));
    check(
        "%7B%22persistedQuery%22:%7B%22version%22:1%7D%7D",
        Err(Pass::NotPersisted),
    );
    check("%7B", Err(Pass::NotPersisted));
    check("", Err(Pass::NotPersisted));
    assert_eq!(outcome(&rules, "a.example/graphql", &[]), Err(Pass::NotPersisted));
}

#[test]
fn a_client_says_how_it_wants_to_be_answered() {
    let read = |fields: &[(&str, &str)]| crate::fixture::get(fields).directives;
    let found = read(&[
        ("cache-control", "max-age=5, min-fresh=\"6\""),
        ("cache-control", "max-stale=7, max-age=9"),
    ]);
    assert_eq!(
        (found.max_age_s, found.min_fresh_s, found.max_stale_s),
        (Some(5), Some(6), Some(7))
    );
    assert_eq!(
        read(&[("cache-control", "max-stale")]).max_stale_s,
        Some(u64::MAX)
    );
    assert_eq!(
        read(&[("cache-control", "max-age=a, min-fresh")]),
        Default::default()
    );
    assert!(read(&[("cache-control", "ONLY-IF-CACHED")]).only_if_cached);
    assert!(read(&[("pragma", "no-cache")]).no_cache);
    assert!(!read(&[("pragma", "no-cache"), ("cache-control", "a")]).no_cache);
    assert!(!read(&[("pragma", "foo")]).no_cache);
}

#[test]
fn gzip_is_taken_by_those_who_say_so() {
    let check = |value: &str, expected| {
        assert_eq!(
            crate::fixture::get(&[("accept-encoding", value)]).accepts_gzip(),
            expected,
            "{value}"
        );
    };
    check("gzip", true);
    check("br, GZIP;q=0.1", true);
    check("*", true);
    check("*;q=0, gzip", true);
    check("gzip;q=0, *", false);
    check("*, gzip;q=0.000", false);
    check("identity", false);
    check("", false);
    assert!(!crate::fixture::get(&[]).accepts_gzip());
}
