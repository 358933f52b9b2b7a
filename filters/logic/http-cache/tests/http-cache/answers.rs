//! Answers made of what is stored: ages, ranges, encodings, `Cache-Status` (RFC 9110 section 14, RFC 9211).

use serde_json::json;
use weir_http_cache::{Answer, BodyPart, CacheRules, Encoding, Hit, Source, StoredBody, Tier};

use crate::fixture::{NOW, date, headers, lookup, text, with};

const HIT: Hit = Hit {
    now_ms: NOW + 3999,
    tier: Tier::Memory,
    source: Source::Hit,
    collapsed: false,
};
const TEN: StoredBody = StoredBody {
    bytes: 10,
    encoding: Encoding::Identity,
};
const ZIPPED: StoredBody = StoredBody {
    bytes: 4,
    encoding: Encoding::Zlib { identity_len: 10 },
};

fn ours() -> CacheRules {
    with(&[("/compress", json!({"minBytes": 1, "types": ["text/*"]}))])
}

fn answer_of(asked: &[(&str, &str)], fields: &[(&str, &str)], stored: StoredBody, hit: &Hit) -> Answer {
    let rules = ours();
    let fields = [
        &[("cache-control", "max-age=60"), ("content-type", "text/plain")],
        fields,
    ]
    .concat();
    let head = rules
        .judge(
            &lookup(&rules, "a.example/", &[]),
            200,
            &headers(&fields),
            NOW,
            NOW,
        )
        .unwrap();
    rules.answer(&lookup(&rules, "a.example/", asked), &head, stored, hit)
}

fn field(answer: &Answer, name: &str) -> Option<String> {
    answer
        .headers
        .joined(name)
        .map(|value| String::from_utf8(value).unwrap())
}

#[test]
fn it_tells_its_age_and_keeps_its_date() {
    let found = answer_of(&[], &[("age", "30"), ("date", &date(-5))], TEN, &HIT);
    assert_eq!((found.status, found.body), (200, BodyPart::Whole));
    assert_eq!(field(&found, "age").as_deref(), Some("33"));
    assert_eq!(field(&found, "date"), Some(date(-5)));
    assert_eq!(field(&found, "content-length"), None);
}

#[test]
fn it_tells_how_it_came_to_be() {
    let check = |hit: Hit, expected: &str| {
        let found = answer_of(&[], &[], TEN, &hit);
        assert_eq!(field(&found, "cache-status").as_deref(), Some(expected));
    };
    check(HIT, r#"weir; hit; ttl=56; key="v1"; detail="memory""#);
    let late = Hit {
        now_ms: NOW + 60_001,
        tier: Tier::Shared,
        collapsed: true,
        ..HIT
    };
    check(late, r#"weir; hit; ttl=-1; collapsed; key="v1"; detail="shared""#);
    let validated = Hit {
        source: Source::Validated,
        tier: Tier::Tier2,
        ..HIT
    };
    check(
        validated,
        r#"weir; fwd=stale; fwd-status=304; ttl=56; key="v1"; detail="tier2""#,
    );
    let failed = Hit {
        source: Source::StaleOnError {
            fwd_status: Some(503),
        },
        ..HIT
    };
    check(
        failed,
        r#"weir; fwd=stale; fwd-status=503; ttl=56; key="v1"; detail="stale-if-error""#,
    );
    let upstream = answer_of(&[], &[("cache-status", "Origin; hit")], TEN, &HIT);
    assert!(
        field(&upstream, "cache-status")
            .unwrap()
            .starts_with("Origin; hit, weir; hit;")
    );
    let none = Answer::only_if_cached();
    assert_eq!(
        (none.status, field(&none, "cache-status").unwrap().as_str()),
        (504, r#"weir; detail="only-if-cached""#)
    );
}

#[test]
fn every_cache_status_is_a_list_of_structured_fields() {
    for hit in [
        HIT,
        Hit {
            source: Source::Validated,
            ..HIT
        },
    ] {
        let value = field(&answer_of(&[], &[], TEN, &hit), "cache-status").unwrap();
        let list: sfv::List = sfv::Parser::new(value.as_bytes()).parse().unwrap();
        assert_eq!(list.len(), 1);
    }
}

fn check_range(asked: &[(&str, &str)], expected: (u16, BodyPart, Option<&str>)) {
    let fields = [
        ("etag", "\"a\""),
        ("last-modified", &*date(-9)),
        ("date", &*date(0)),
    ];
    let found = answer_of(asked, &fields, TEN, &HIT);
    let content_range = field(&found, "content-range");
    assert_eq!(
        (found.status, found.body, content_range.as_deref()),
        expected,
        "{asked:?}"
    );
}

#[test]
fn one_range_is_cut_out() {
    let part = |from, to| BodyPart::Range { from, to };
    let whole = (200, BodyPart::Whole, None);
    check_range(&[("range", "bytes=0-1")], (206, part(0, 2), Some("bytes 0-1/10")));
    check_range(&[("range", "bytes=8-")], (206, part(8, 10), Some("bytes 8-9/10")));
    check_range(&[("range", "bytes=-1")], (206, part(9, 10), Some("bytes 9-9/10")));
    check_range(
        &[("range", "bytes=10-")],
        (416, BodyPart::None, Some("bytes */10")),
    );
    check_range(&[("range", "bytes=0-1,4-5")], whole);
    check_range(&[("range", "bytes=0-1"), ("range", "bytes=2-3")], whole);
    check_range(&[("range", "lines=0-1")], whole);
    let cut = (206, part(0, 2), Some("bytes 0-1/10"));
    let if_range =
        |condition: &str, expected| check_range(&[("range", "bytes=0-1"), ("if-range", condition)], expected);
    if_range("\"a\"", cut);
    if_range("\"b\"", whole);
    if_range("W/\"a\"", whole);
    if_range(&date(-9), cut);
    if_range(&date(-8), whole);
    if_range("x", whole);
}

#[test]
fn a_date_of_the_same_second_is_too_weak_for_a_range() {
    let now = date(0);
    let fields = [("last-modified", now.as_str()), ("date", &now)];
    let found = answer_of(&[("range", "bytes=0-1"), ("if-range", &now)], &fields, TEN, &HIT);
    assert_eq!(found.status, 200);
}

#[test]
fn a_range_is_for_get_and_200() {
    let rules = ours();
    let fresh = headers(&[("cache-control", "max-age=60")]);
    let get = lookup(&rules, "a.example/", &[("range", "bytes=0-1")]);
    let head = rules.judge(&get, 404, &fresh, NOW, NOW).unwrap();
    assert_eq!(rules.answer(&get, &head, TEN, &HIT).status, 404);
    let head = rules.judge(&get, 200, &fresh, NOW, NOW).unwrap();
    let asked = lookup(&rules, "HEAD a.example/", &[("range", "bytes=0-1")]);
    let found = rules.answer(&asked, &head, TEN, &HIT);
    assert_eq!((found.status, found.body), (200, BodyPart::Whole));
}

#[test]
fn a_part_is_cut_where_it_lies() {
    let rules = ours();
    let get = |range: &str| lookup(&rules, "a.example/", &[("range", range)]);
    let fields = headers(&[("cache-control", "max-age=60"), ("content-range", "bytes 4-9/12")]);
    let head = rules.judge(&get("bytes=4-9"), 206, &fields, NOW, NOW).unwrap();
    let found = rules.answer(&get("bytes=6-8"), &head, TEN, &HIT);
    assert_eq!(
        (found.status, found.body),
        (206, BodyPart::Range { from: 2, to: 5 })
    );
    assert_eq!(field(&found, "content-range").as_deref(), Some("bytes 6-8/12"));
}

#[test]
fn what_is_compressed_in_store_is_two_representations() {
    let etag = ("etag", "\"a\"");
    let zipped = answer_of(
        &[("accept-encoding", "br, gzip")],
        &[etag, ("vary", "b")],
        ZIPPED,
        &HIT,
    );
    assert_eq!(zipped.body, BodyPart::Gzip);
    assert_eq!(field(&zipped, "content-encoding").as_deref(), Some("gzip"));
    assert_eq!(field(&zipped, "etag").as_deref(), Some("\"a-gzip\""));
    assert_eq!(field(&zipped, "vary").as_deref(), Some("b, accept-encoding"));
    let plain = answer_of(&[], &[etag, ("vary", "Accept-Encoding")], ZIPPED, &HIT);
    assert_eq!(plain.body, BodyPart::Whole);
    assert_eq!(field(&plain, "content-encoding"), None);
    assert_eq!(field(&plain, "etag").as_deref(), Some("\"a\""));
    assert_eq!(field(&plain, "vary").as_deref(), Some("Accept-Encoding"));
    let weak = answer_of(
        &[("accept-encoding", "gzip")],
        &[("etag", "W/\"a\"")],
        ZIPPED,
        &HIT,
    );
    assert_eq!(field(&weak, "etag").as_deref(), Some("W/\"a\""));
    let ranged = answer_of(
        &[("accept-encoding", "gzip"), ("range", "bytes=0-3")],
        &[etag],
        ZIPPED,
        &HIT,
    );
    assert_eq!(ranged.body, BodyPart::Range { from: 0, to: 4 });
    assert_eq!(field(&ranged, "content-range").as_deref(), Some("bytes 0-3/10"));
    assert_eq!(field(&ranged, "content-encoding"), None);
}

#[test]
fn the_tag_of_either_representation_will_do() {
    let check = |accept: &str, tag: &str, expected: Option<&str>| {
        let found = answer_of(
            &[("accept-encoding", accept), ("if-none-match", tag)],
            &[("etag", "\"a\"")],
            ZIPPED,
            &HIT,
        );
        let told = (found.status == 304).then(|| text(found.headers.get("etag")).unwrap());
        assert_eq!(told, expected, "{accept} {tag}");
    };
    check("gzip", "\"a-gzip\"", Some("\"a-gzip\""));
    check("gzip", "\"a\"", Some("\"a\""));
    check("x", "\"a-gzip\"", Some("\"a-gzip\""));
    check("x", "\"b\", \"a\", \"a-gzip\"", Some("\"a\""));
    check("gzip", "\"a\", \"a-gzip\"", Some("\"a-gzip\""));
    check("gzip", "\"b\"", None);
}
