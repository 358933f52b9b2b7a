//! Variants (RFC 9111 section 4.1).

use serde_json::json;
use weir_http_cache::{CacheRules, VaryRule};

use crate::fixture::{NOW, headers, lookup, rules, with};

fn rule(rules: &CacheRules, fields: &[(&str, &str)]) -> VaryRule {
    let fields = [&[("cache-control", "max-age=60")], fields].concat();
    rules
        .judge(
            &lookup(rules, "a.example/", &[]),
            200,
            &headers(&fields),
            NOW,
            NOW,
        )
        .unwrap()
        .vary
}

fn names(rule: &VaryRule) -> Vec<&str> {
    rule.names()
        .map(|name| std::str::from_utf8(name).unwrap())
        .collect()
}

fn same(vary: &str, one: &[(&str, &str)], other: &[(&str, &str)]) -> bool {
    let rules = rules();
    let rule = rule(rules, &[("vary", vary)]);
    let key = |fields| rules.variant(&rule, &lookup(rules, "a.example/", fields));
    key(one) == key(other)
}

#[test]
fn the_names_are_one_sorted_set() {
    let rules = rules();
    assert_eq!(
        names(&rule(rules, &[("vary", "Foo, bar"), ("vary", ",FOO,")])),
        ["bar", "foo"]
    );
    assert!(rule(rules, &[]).is_empty());
    let ignoring = with(&[("/varyIgnore", json!(["user-agent"]))]);
    assert_eq!(names(&rule(&ignoring, &[("vary", "User-Agent, a")])), ["a"]);
    let cors = [
        ("vary", "a"),
        ("access-control-allow-origin", "https://b.example"),
    ];
    assert_eq!(names(&rule(rules, &cors)), ["a", "origin"]);
    assert!(rule(rules, &[("access-control-allow-origin", "*")]).is_empty());
    let both = rule(rules, &cors).union(&rule(rules, &[("vary", "c, a")]));
    assert_eq!(names(&both), ["a", "c", "origin"]);
}

#[test]
fn a_variant_is_chosen_by_what_the_headers_mean() {
    let check = |vary, one: &[(&str, &str)], other: &[(&str, &str)], expected| {
        assert_eq!(same(vary, one, other), expected, "{vary} {one:?} {other:?}");
    };
    check("foo", &[("foo", "1")], &[("foo", "1"), ("other", "2")], true);
    check("foo", &[("foo", "1")], &[("foo", "2")], false);
    check("foo", &[("foo", "1")], &[], false);
    check("foo", &[("foo", "")], &[], false);
    check("foo", &[], &[], true);
    check("foo, bar", &[("foo", "1")], &[("bar", "1")], false);
    check("foo", &[("foo", "1, 2")], &[("foo", "1"), ("foo", "2")], true);
    check("foo", &[("foo", "1,2")], &[("foo", " 1,  2 ")], true);
    check("foo", &[("foo", "1, 2")], &[("foo", "2, 1")], false);
    check("foo", &[("foo", "a")], &[("foo", "A")], false);
    check("foo", &[("foo", "\"1, 2\"")], &[("foo", "\"1,2\"")], false);
    check(
        "accept-language",
        &[("accept-language", "en, de")],
        &[("accept-language", "De ,EN;q=1.0")],
        true,
    );
    check(
        "accept-language",
        &[("accept-language", "en;q=0.5")],
        &[("accept-language", "en")],
        false,
    );
    check(
        "accept",
        &[("accept", "a/b;p=Q, c/d")],
        &[("accept", "c/d,a/b;p=Q")],
        true,
    );
    check(
        "accept",
        &[("accept", "a/b;p=Q")],
        &[("accept", "a/b;p=q")],
        false,
    );
}

#[test]
fn without_variants_the_key_is_the_requests_own() {
    let rules = rules();
    let request = lookup(rules, "a.example/", &[("foo", "1")]);
    assert_eq!(rules.variant(&VaryRule::default(), &request), request.key);
    assert_ne!(
        rules.variant(&rule(rules, &[("vary", "foo")]), &request),
        request.key
    );
}

#[test]
fn a_rule_is_stored_with_its_key() {
    let rule = rule(rules(), &[("vary", "foo, bar")]);
    let bytes = rule.to_bytes(b"key");
    assert_eq!(VaryRule::from_bytes(&bytes), Some((rule, &b"key"[..])));
    assert_eq!(weir_http_cache::Object::from_bytes(&bytes), None);
}
