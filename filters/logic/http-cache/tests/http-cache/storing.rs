//! Which responses are stored, and for how long they are fresh (RFC 9111 sections 3 and 4.2).

use serde_json::json;
use weir_http_cache::{CacheRules, Head, NotStored, VaryRule};

use crate::fixture::{NOW, date, get, headers, lookup, rules, text, with};

fn judge(rules: &CacheRules, status: u16, fields: &[(&str, &str)]) -> Result<Head, NotStored> {
    rules.judge(
        &lookup(rules, "a.example/", &[]),
        status,
        &headers(fields),
        NOW,
        NOW,
    )
}

/// Seconds that it is fresh, or why it is not stored.
fn fresh(rules: &CacheRules, status: u16, fields: &[(&str, &str)]) -> Result<i64, NotStored> {
    judge(rules, status, fields).map(|head| head.fresh_left_ms(NOW) / 1000)
}

fn check(fields: &[(&str, &str)], expected: Result<i64, NotStored>) {
    assert_eq!(fresh(rules(), 200, fields), expected, "{fields:?}");
}

#[test]
fn the_origin_says_how_long() {
    check(&[("cache-control", "max-age=60")], Ok(60));
    check(&[("cache-control", "max-age=60, s-maxage=5")], Ok(5));
    check(&[("expires", &date(60)), ("date", &date(0))], Ok(60));
    check(&[("expires", &date(60)), ("date", "foo")], Ok(60));
    check(&[("expires", &date(60))], Ok(60));
    check(
        &[("expires", &date(300)), ("date", &date(400))],
        Err(NotStored::NoLifetime),
    );
    check(
        &[("expires", "0"), ("date", &date(0))],
        Err(NotStored::NoLifetime),
    );
    check(&[("expires", "0"), ("cache-control", "max-age=9")], Ok(9));
    check(
        &[("expires", &date(60)), ("cache-control", "max-age=0")],
        Err(NotStored::NoLifetime),
    );
    check(&[("cache-control", "max-age=99999999999")], Ok(1 << 31));
    check(&[], Err(NotStored::NoLifetime));
    check(&[("etag", "\"a\"")], Ok(0));
    check(
        &[("cache-control", "max-age=0"), ("last-modified", &date(-9))],
        Ok(0),
    );
}

#[test]
fn age_and_date_make_it_older() {
    let max_age = ("cache-control", "max-age=3600");
    let aged = |age: &str, expected| check(&[max_age, ("age", age)], expected);
    aged("600", Ok(3000));
    aged("0,7200", Ok(3600));
    for old in [
        "7200",
        "7200,0",
        "abc",
        "-7200",
        "7200.0",
        "0, 0",
        "7200;foo=bar",
        "",
        "99999999999999999999999",
    ] {
        aged(old, Err(NotStored::NoLifetime));
    }
    check(&[max_age, ("age", "0"), ("age", "0")], Err(NotStored::NoLifetime));
    check(&[max_age, ("date", &date(-600))], Ok(3000));
    check(&[max_age, ("date", &date(600))], Ok(3600));
    check(
        &[("expires", &date(10)), ("date", &date(-10)), ("age", "15")],
        Ok(5),
    );
    let slow = rules().judge(
        &get(&[]),
        200,
        &headers(&[max_age, ("age", "5")]),
        NOW - 2000,
        NOW,
    );
    assert_eq!(slow.unwrap().initial_age_ms, 7000);
}

#[test]
fn what_must_not_be_stored_is_not() {
    let no = |fields: &[(&str, &str)], why| {
        let fresh = [("cache-control", "max-age=60"), ("etag", "\"a\"")];
        check(&[&fresh, fields].concat(), Err(why));
    };
    no(&[("cache-control", "No-Store")], NotStored::NoStore);
    no(&[("cache-control", "private")], NotStored::Private);
    no(&[("set-cookie", "a=b")], NotStored::SetCookie);
    no(&[("vary", "a, *")], NotStored::VaryStar);
    no(&[("vary", ""), ("vary", "*")], NotStored::VaryStar);
    no(&[("content-type", "application/grpc+json")], NotStored::Grpc);
    no(
        &[("content-type", "text/event-stream; charset=utf-8")],
        NotStored::EventStream,
    );
    no(&[("trailer", "x")], NotStored::Trailers);
    no(&[("content-length", "1001")], NotStored::TooLarge);
    check(
        &[("cache-control", "max-age=60"), ("content-length", "1000")],
        Ok(60),
    );
    check(
        &[
            ("cache-control", "max-age=60, no-cache=\"set-cookie\""),
            ("set-cookie", "a=b"),
        ],
        Ok(60),
    );
    let cookies = with(&[("/storeSetCookie", json!(true))]);
    let stored = judge(
        &cookies,
        200,
        &[("cache-control", "max-age=60"), ("set-cookie", "a=b")],
    )
    .unwrap();
    assert_eq!(text(stored.headers.get("set-cookie")), Some("a=b"));
}

#[test]
fn every_final_status_may_be_stored_if_it_says_how_long() {
    let status = |status, fields: &[(&str, &str)]| fresh(rules(), status, fields);
    for stored in [200, 204, 299, 302, 400, 404, 499, 500, 503, 599] {
        assert_eq!(
            status(stored, &[("cache-control", "max-age=60")]),
            Ok(60),
            "{stored}"
        );
    }
    for never in [100, 103, 304, 412, 416, 600, 999] {
        assert_eq!(
            status(never, &[("cache-control", "max-age=60")]),
            Err(NotStored::Status),
            "{never}"
        );
    }
    assert_eq!(
        status(599, &[("cache-control", "max-age=60, must-understand")]),
        Err(NotStored::Status)
    );
    assert_eq!(
        status(200, &[("cache-control", "max-age=60, must-understand, no-store")]),
        Ok(60)
    );
    assert_eq!(status(201, &[("etag", "\"a\"")]), Err(NotStored::NoLifetime));
    assert_eq!(
        status(206, &[("cache-control", "max-age=60")]),
        Err(NotStored::Partial)
    );
}

#[test]
fn the_policy_says_how_long_where_the_origin_does_not() {
    let rules = with(&[("/ttl/defaultMs", json!(30_000)), ("/ttl/maxMs", json!(100_000))]);
    assert_eq!(fresh(&rules, 200, &[]), Ok(30));
    assert_eq!(fresh(&rules, 404, &[]), Ok(30));
    assert_eq!(fresh(&rules, 500, &[]), Err(NotStored::NoLifetime));
    assert_eq!(fresh(&rules, 500, &[("cache-control", "public")]), Ok(30));
    assert_eq!(fresh(&rules, 200, &[("cache-control", "max-age=5")]), Ok(5));
    assert_eq!(fresh(&rules, 200, &[("cache-control", "max-age=500")]), Ok(100));
    assert_eq!(
        fresh(&rules, 200, &[("cache-control", "private")]),
        Err(NotStored::Private)
    );
}

#[test]
fn a_guess_is_a_part_of_the_time_since_the_last_change() {
    let rules = with(&[("/ttl/heuristic", json!({"percent": 10, "maxMs": 3_600_000}))]);
    let guess = |status, modified: i64, extra: &[(&str, &str)]| {
        let (modified, now) = (date(modified), date(0));
        let fields = [&[("last-modified", modified.as_str()), ("date", &now)], extra].concat();
        fresh(&rules, status, &fields)
    };
    assert_eq!(guess(200, -1000, &[]), Ok(100));
    assert_eq!(guess(200, -1_000_000, &[]), Ok(3600));
    assert_eq!(guess(200, 1000, &[]), Ok(0));
    assert_eq!(guess(599, -1000, &[("cache-control", "public")]), Ok(100));
    for status in [201, 202, 403, 502, 503, 504, 599] {
        assert_eq!(guess(status, -1000, &[]), Err(NotStored::NoLifetime), "{status}");
    }
}

#[test]
fn the_first_rule_that_matches_counts() {
    let rules = with(&[(
        "/ttl/rules",
        json!([
            {"statuses": [404, 410], "ttlMs": 5000, "replacesOrigin": true},
            {"match": {"path": {"type": "Prefix", "value": "/live"}}, "ttlMs": 0, "replacesOrigin": true},
            {"match": {"path": {"type": "Prefix", "value": "/static"}}, "ttlMs": 60_000},
        ]),
    )]);
    let check = |path: &str, status, cache_control: &str, expected| {
        let request = lookup(&rules, &format!("a.example{path}"), &[]);
        let fields: &[(&str, &str)] = &[("cache-control", cache_control)];
        let head = rules.judge(&request, status, &headers(fields), NOW, NOW);
        assert_eq!(
            head.map(|head| head.fresh_left_ms(NOW) / 1000),
            expected,
            "{path} {status} {cache_control}"
        );
    };
    check("/live", 404, "max-age=9", Ok(5));
    check("/live", 404, "no-store", Err(NotStored::NoStore));
    check("/live", 404, "no-cache", Ok(5));
    check("/live", 200, "max-age=9", Err(NotStored::NoLifetime));
    check("/static", 200, "max-age=9", Ok(9));
    check("/static", 200, "a", Ok(60));
    check("/static", 503, "a", Ok(60));
    check("/other", 200, "a", Err(NotStored::NoLifetime));
}

#[test]
fn credentials_make_it_one_clients() {
    let judge = |cache_control: &str| {
        let request = get(&[("authorization", "x")]);
        rules().judge(
            &request,
            200,
            &headers(&[("cache-control", cache_control)]),
            NOW,
            NOW,
        )
    };
    assert_eq!(judge("max-age=60"), Err(NotStored::Authorization));
    for shared in ["max-age=60, public", "s-maxage=60", "max-age=60, must-revalidate"] {
        assert!(judge(shared).unwrap().shared_authorized, "{shared}");
    }
}

#[test]
fn fields_of_one_hop_are_not_stored() {
    let head = judge(
        rules(),
        200,
        &[
            (":status", "200"),
            ("Connection", "a, B"),
            ("a", "1"),
            ("b", "2"),
            ("c", "3"),
            ("keep-alive", "x"),
            ("proxy-authenticate", "x"),
            ("proxy-authentication-info", "x"),
            ("proxy-authorization", "x"),
            ("proxy-connection", "x"),
            ("te", "x"),
            ("transfer-encoding", "x"),
            ("upgrade", "x"),
            ("x-envoy-upstream-service-time", "1"),
            ("age", "1"),
            ("content-length", "1"),
            ("d", "4"),
            ("cache-control", "max-age=60, private=\"d\", no-cache=\"E\""),
            ("e", "5"),
        ],
    );
    let names: Vec<String> = head
        .unwrap()
        .headers
        .iter()
        .map(|(name, _)| String::from_utf8_lossy(name).into_owned())
        .collect();
    assert_eq!(names, ["c", "cache-control", "date"]);
}

#[test]
fn a_date_that_is_missing_is_when_it_came() {
    let head = judge(rules(), 200, &[("cache-control", "max-age=60")]).unwrap();
    assert_eq!(text(head.headers.get("date")), Some(date(0).as_str()));
}

#[test]
fn stale_windows_are_the_origins_or_the_policys() {
    let rules = with(&[("/stale", json!({"whileRevalidateMs": 1000, "ifErrorMs": 2000}))]);
    let check = |cache_control: &str, expected| {
        let head = judge(
            &rules,
            200,
            &[("cache-control", cache_control), ("etag", "\"a\"")],
        )
        .unwrap();
        assert_eq!(
            (head.while_revalidate_ms, head.if_error_ms),
            expected,
            "{cache_control}"
        );
    };
    check("max-age=1", (1000, 2000));
    check("max-age=1, stale-while-revalidate=9, stale-if-error=0", (9000, 0));
    check("max-age=1, stale-if-error=x", (1000, 0));
    check("max-age=1, must-revalidate, stale-if-error=9", (0, 0));
    check("max-age=1, proxy-revalidate", (0, 0));
    check("s-maxage=1", (0, 0));
    check("no-cache", (0, 0));
    // Nobody has said that it is ever fresh.
    check("public", (0, 2000));
}

#[test]
fn targeted_fields_go_before_the_others() {
    check(
        &[("cache-control", "no-store"), ("cdn-cache-control", "max-age=60")],
        Ok(60),
    );
    check(
        &[("cache-control", "max-age=9"), ("cdn-cache-control", "no-store")],
        Err(NotStored::NoStore),
    );
    check(
        &[("expires", &date(60)), ("cdn-cache-control", "foo")],
        Err(NotStored::NoLifetime),
    );
    check(
        &[
            ("cache-control", "max-age=9"),
            ("cdn-cache-control", "max-age=60,,"),
        ],
        Ok(9),
    );
    check(
        &[
            ("cache-control", "max-age=9"),
            ("cdn-cache-control", "max-age=60, no-store=?0"),
        ],
        Ok(60),
    );
    check(
        &[
            ("cdn-cache-control", "max-age=2"),
            ("weir-cache-control", "max-age=1"),
        ],
        Ok(1),
    );
    check(
        &[("surrogate-control", "max-age=3600"), ("age", "7200")],
        Err(NotStored::NoLifetime),
    );
}

#[test]
fn tags_are_collected() {
    let rules = rules();
    let tagged = |tags: &str| {
        let fields = [
            ("cache-control", "max-age=60"),
            ("surrogate-key", tags),
            ("cache-tag", "c,a"),
        ];
        judge(rules, 200, &fields).map(|head| head.tags)
    };
    assert_eq!(
        tagged("a  b"),
        Ok(vec![b"a".to_vec(), b"b".to_vec(), b"c".to_vec()])
    );
    let many = |count: usize| {
        (0..count)
            .map(|tag| tag.to_string())
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(tagged(&many(62)).unwrap().len(), 64);
    assert_eq!(tagged(&many(63)), Err(NotStored::TooManyTags));
    assert_eq!(tagged(&"x".repeat(4097)), Err(NotStored::TooManyTags));
}

#[test]
fn compression_is_for_the_kinds_that_the_policy_names() {
    let rules = with(&[(
        "/compress",
        json!({"minBytes": 100, "types": ["text/*", "application/json"]}),
    )]);
    let check = |fields: &[(&str, &str)], bytes, expected| {
        let head = judge(
            &rules,
            200,
            &[
                fields,
                &[("cache-control", "max-age=60"), ("vary", "accept-encoding")],
            ]
            .concat(),
        );
        let head = head.unwrap();
        assert_eq!(rules.compresses(&head, bytes), expected, "{fields:?}");
        assert_eq!(head.vary == VaryRule::default(), head.compressible);
    };
    check(&[("content-type", "Text/HTML; charset=utf-8")], 100, true);
    check(&[("content-type", "text/html")], 99, false);
    check(&[("content-type", "application/json")], 1000, true);
    check(&[("content-type", "application/jsonp")], 1000, false);
    check(&[("content-type", "image/png")], 1000, false);
    check(
        &[("content-type", "text/html"), ("content-encoding", "br")],
        1000,
        false,
    );
    check(
        &[("content-type", "text/html"), ("cache-control", "no-transform")],
        1000,
        false,
    );
    assert!(!crate::fixture::rules().compresses(&Head::default(), 1000));
}

#[test]
fn post_is_for_get_where_it_says_so() {
    let rules = rules();
    let judge = |what: &str, status, fields: &[(&str, &str)]| {
        let request = lookup(rules, what, &[]);
        rules
            .judge(&request, status, &headers(fields), NOW, NOW)
            .map(|_| request.key)
    };
    let fresh = ("cache-control", "max-age=60");
    let here = ("content-location", "/x");
    let stored = judge("POST a.example/x", 200, &[fresh, here]).unwrap();
    assert_eq!(stored, lookup(rules, "a.example/x", &[]).key);
    for (what, fields) in [
        ("POST a.example/x", &[fresh][..]),
        ("POST a.example/x", &[here]),
        ("POST a.example/y", &[fresh, here]),
        (
            "POST a.example/x",
            &[fresh, ("content-location", "//b.example/x")],
        ),
        ("PUT a.example/x", &[fresh, here]),
        ("HEAD a.example/x", &[fresh]),
    ] {
        assert_eq!(
            judge(what, 200, fields),
            Err(NotStored::Method),
            "{what} {fields:?}"
        );
    }
    assert_eq!(
        judge("POST a.example/x", 201, &[fresh, here]),
        Err(NotStored::Method)
    );
}
