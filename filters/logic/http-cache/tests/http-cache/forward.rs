//! Answers of the origin on their way to the client, and what a CDN is told (RFC 9211, RFC 9213).

use serde_json::json;
use weir_http_cache::{
    CacheRules, Change, Encoding, Forwarded, FwdReason, Head, Headers, Hit, Source, StoredBody, Tier,
};

use crate::fixture::{NOW, headers, lookup, rules, with};

const MISS: Forwarded = Forwarded {
    reason: FwdReason::UriMiss,
    fwd_status: None,
    collapsed: false,
    detail: None,
};

fn stored(rules: &CacheRules, fields: &[(&str, &str)]) -> Head {
    rules
        .judge(&lookup(rules, "a.example/", &[]), 200, &headers(fields), NOW, NOW)
        .unwrap()
}

fn forwarded(rules: &CacheRules, fields: &[(&str, &str)], head: Option<&Head>) -> Headers {
    let mut found = headers(fields);
    for change in rules.forwarded(&headers(fields), head, &MISS) {
        match change {
            Change::Remove(name) => found.remove(&name),
            Change::Add(name, value) => found.push(name.as_bytes(), &value),
        }
    }
    found
}

fn hit(rules: &CacheRules, head: &Head) -> Headers {
    let stored = StoredBody {
        bytes: 0,
        encoding: Encoding::Identity,
    };
    let hit = Hit {
        now_ms: NOW,
        tier: Tier::Memory,
        source: Source::Hit,
        collapsed: false,
    };
    rules
        .answer(&lookup(rules, "a.example/", &[]), head, stored, &hit)
        .headers
}

/// Of both: what is forwarded when it is stored, and what is answered later.
fn both(rules: &CacheRules, fields: &[(&str, &str)], name: &str) -> Option<String> {
    let head = stored(rules, fields);
    let [now, later] =
        [forwarded(rules, fields, Some(&head)), hit(rules, &head)].map(|found| found.joined(name));
    assert_eq!(now, later, "{name}");
    now.map(|value| String::from_utf8(value).unwrap())
}

#[test]
fn what_is_forwarded_says_so() {
    let rules = rules();
    let status = |head: Option<&Head>, fwd: &Forwarded| {
        let changes = rules.forwarded(&headers(&[("cache-status", "a")]), head, fwd);
        let [Change::Add(name, value)] = changes.as_slice() else {
            panic!("{changes:?}")
        };
        assert_eq!(name, "cache-status");
        String::from_utf8(value.clone()).unwrap()
    };
    let head = stored(rules, &[("cache-control", "max-age=9")]);
    assert_eq!(
        status(Some(&head), &MISS),
        r#"weir; fwd=uri-miss; ttl=9; stored; key="v1""#
    );
    let waited = Forwarded {
        reason: FwdReason::Stale,
        fwd_status: Some(200),
        collapsed: true,
        detail: Some("too_large"),
    };
    assert_eq!(
        status(None, &waited),
        r#"weir; fwd=stale; fwd-status=200; collapsed; detail="too_large""#
    );
}

#[test]
fn tags_are_the_caches_own_business_unless_forwarded() {
    let fields = [
        ("cache-control", "max-age=9"),
        ("surrogate-key", "a b"),
        ("weir-cache-control", "max-age=5"),
    ];
    assert_eq!(both(rules(), &fields, "surrogate-key"), None);
    assert_eq!(both(rules(), &fields, "weir-cache-control"), None);
    let open = with(&[("/tags/forward", json!(true))]);
    assert_eq!(both(&open, &fields, "surrogate-key").as_deref(), Some("a b"));
    assert_eq!(forwarded(rules(), &fields, None).get("surrogate-key"), None);
}

#[test]
fn a_cdn_is_told_what_the_policy_says() {
    let rules = with(&[(
        "/cdn",
        json!({"cacheControl": "max-age=600", "surrogateControl": "max-age=700", "tagHeader": "cache-tag"}),
    )]);
    let fields = [
        ("cache-control", "max-age=9"),
        ("surrogate-key", "a b"),
        ("cache-tag", "c"),
    ];
    assert_eq!(
        both(&rules, &fields, "cdn-cache-control").as_deref(),
        Some("max-age=600")
    );
    assert_eq!(
        both(&rules, &fields, "surrogate-control").as_deref(),
        Some("max-age=700")
    );
    assert_eq!(both(&rules, &fields, "cache-tag").as_deref(), Some("a,b,c"));
    assert_eq!(both(&rules, &fields, "surrogate-key"), None);
    let told = [("cdn-cache-control", "max-age=5"), ("surrogate-key", "a b")];
    assert_eq!(
        both(&rules, &told, "cdn-cache-control").as_deref(),
        Some("max-age=5")
    );
    let by_spaces = with(&[("/cdn", json!({"tagHeader": "surrogate-key"}))]);
    assert_eq!(
        both(&by_spaces, &fields, "surrogate-key").as_deref(),
        Some("a b c")
    );
    let open = with(&[
        ("/cdn", json!({"tagHeader": "surrogate-key"})),
        ("/tags/forward", json!(true)),
    ]);
    assert_eq!(both(&open, &fields, "surrogate-key").as_deref(), Some("a b c"));
}

#[test]
fn a_cdn_is_told_nothing_of_what_is_not_for_all() {
    let rules = with(&[("/cdn", json!({"cacheControl": "max-age=600"}))]);
    assert_eq!(
        forwarded(&rules, &[("cache-control", "private")], None).get("cdn-cache-control"),
        None
    );
    assert_eq!(
        both(
            &rules,
            &[("cache-control", "no-cache"), ("etag", "\"a\"")],
            "cdn-cache-control"
        ),
        None
    );
}

#[test]
fn surrogates_make_themselves_known() {
    assert_eq!(rules().surrogate_capability(), Some("weir=\"Surrogate/1.0\""));
    assert_eq!(
        with(&[("/targets", json!(["cdn-cache-control"]))]).surrogate_capability(),
        None
    );
}
