//! Conditions of clients that have a copy (RFC 9110 section 13, RFC 9111 section 4.3.2).

use proptest::prelude::*;
use weir_http_cache::{BodyPart, Encoding, Hit, Source, StoredBody, Tier};

use crate::fixture::{NOW, date, get, headers, lookup, rules, text};

fn status(asked: &[(&str, &str)], fields: &[(&str, &str)]) -> u16 {
    let fields = [
        &[("cache-control", "max-age=60"), ("content-type", "text/plain")],
        fields,
    ]
    .concat();
    let head = rules()
        .judge(&get(&[]), 200, &headers(&fields), NOW, NOW)
        .unwrap();
    let stored = StoredBody {
        bytes: 3,
        encoding: Encoding::Identity,
    };
    let hit = Hit {
        now_ms: NOW,
        tier: Tier::Memory,
        source: Source::Hit,
        collapsed: false,
    };
    let answer = rules().answer(&get(asked), &head, stored, &hit);
    if answer.status == 304 {
        assert_eq!(answer.body, BodyPart::None);
        assert_eq!(answer.headers.get("content-type"), None);
        assert_eq!(text(answer.headers.get("cache-control")), Some("max-age=60"));
        assert_eq!(
            answer.headers.get("etag").is_some(),
            fields.iter().any(|(name, _)| *name == "etag")
        );
    }
    answer.status
}

#[test]
fn tags_are_compared_weakly() {
    let check = |etag: &str, asked: &str, expected| {
        assert_eq!(
            status(&[("if-none-match", asked)], &[("etag", etag)]),
            expected,
            "{etag} {asked}"
        );
    };
    check("\"a\"", "\"a\"", 304);
    check("\"a\"", "W/\"a\"", 304);
    check("W/\"a\"", "\"a\"", 304);
    check("\"a\"", "*", 304);
    check("\"a\"", "\"x\", \"a\", \"y\"", 304);
    check("\"a\"", "\"x\" , W/\"a\"", 304);
    check("\"a,b\"", "\"x\",\"a,b\"", 304);
    check("\"a\\\"", "\"x\",\"a\\\",\"y\"", 304);
    check("a", "a", 304);
    check("\"a\"", "\"A\"", 200);
    check("\"a\"", "a", 200);
    check("\"b\"", "\"a,b\"", 200);
    check("\"a\"", "", 200);
}

#[test]
fn several_lines_are_one_list() {
    let asked = [("if-none-match", "\"x\""), ("if-none-match", "\"a\"")];
    assert_eq!(status(&asked, &[("etag", "\"a\"")]), 304);
}

#[test]
fn tags_go_before_dates() {
    let fields = [("etag", "\"a\""), ("last-modified", &*date(-9))];
    let check = |tag: &str, since: i64, expected| {
        let asked = [("if-none-match", tag), ("if-modified-since", &*date(since))];
        assert_eq!(status(&asked, &fields), expected, "{tag} {since}");
    };
    check("\"a\"", -99, 304);
    check("\"b\"", -1, 200);
}

#[test]
fn dates_are_compared_in_every_format() {
    let check = |since: &str, modified: &str, expected| {
        let found = status(&[("if-modified-since", since)], &[("last-modified", modified)]);
        assert_eq!(found, expected, "{since} {modified}");
    };
    check(&date(-9), &date(-9), 304);
    check(&date(-8), &date(-9), 304);
    check(&date(-10), &date(-9), 200);
    check(
        "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT",
        304,
    );
    check("Sun Nov  6 08:49:38 1994", "Sun, 06 Nov 1994 08:49:37 GMT", 304);
    check("x", "Sun, 06 Nov 1994 08:49:37 GMT", 200);
    check("x", "x", 304);
}

#[test]
fn without_a_last_change_it_is_as_old_as_its_date() {
    let check = |since: i64, expected| {
        let found = status(&[("if-modified-since", &date(since))], &[("date", &date(-5))]);
        assert_eq!(found, expected, "{since}");
    };
    check(-5, 304);
    check(-6, 200);
}

#[test]
fn conditions_are_for_successes() {
    let rules = rules();
    let fields = headers(&[("cache-control", "max-age=60"), ("etag", "\"a\"")]);
    let request = lookup(rules, "a.example/", &[("if-none-match", "*")]);
    let head = rules.judge(&request, 404, &fields, NOW, NOW).unwrap();
    let hit = Hit {
        now_ms: NOW,
        tier: Tier::Memory,
        source: Source::Hit,
        collapsed: false,
    };
    assert_eq!(
        rules.answer(&request, &head, StoredBody::default(), &hit).status,
        404
    );
}

proptest! {
    #[test]
    fn a_list_matches_if_one_of_it_does(tags in prop::collection::vec("(W/)?\"[ab,]{0,2}\"", 0..4), etag in "(W/)?\"[ab,]{0,2}\"") {
        let bare = |tag: &str| tag.trim_start_matches("W/").to_owned();
        let expected = tags.iter().any(|tag| bare(tag) == bare(&etag));
        let found = status(&[("if-none-match", &tags.join(", "))], &[("etag", &etag)]);
        prop_assert_eq!(found == 304, expected);
    }
}
