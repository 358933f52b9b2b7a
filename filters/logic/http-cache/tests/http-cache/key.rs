//! What is the same request.

use proptest::prelude::*;
use serde_json::json;
use weir_http_cache::{CacheKey, CacheRules, url_of, url_under};
use weir_policy::compiled::CompiledRoute;
use weir_policy::compiled::edge_cache::CompiledCachePolicy;

use crate::fixture::{lookup, patched, rules, with};

fn key(rules: &CacheRules, what: &str, fields: &[(&str, &str)]) -> CacheKey {
    lookup(rules, what, fields).key
}

fn check(rules: &CacheRules, one: &str, other: &str, same: bool) {
    assert_eq!(
        key(rules, one, &[]) == key(rules, other, &[]),
        same,
        "{one} {other}"
    );
}

#[test]
fn a_url_is_the_same_in_every_spelling() {
    let rules = rules();
    check(rules, "a.example/", "A.EXAMPLE:80/", true);
    check(rules, "HEAD a.example/", "a.example/", true);
    check(rules, "https://a.example/", "https://a.example:443/", true);
    check(rules, "a.example/%7Eb/%2f", "a.example/~b/%2F", true);
    check(rules, "https://a.example/", "http://a.example/", false);
    check(rules, "a.example:443/", "a.example/", false);
    check(rules, "a.example/%2e%2e/b", "a.example/../b", false);
    check(rules, "a.example/a", "a.example/A", false);
    check(rules, "a.example/a?b", "a.example/a?c", false);
    check(rules, "a.example/a?", "a.example/a", false);
}

#[test]
fn the_policy_says_what_else_counts() {
    let rules = with(&[
        ("/key/query", json!({"except": ["utm_*"]})),
        ("/key/sortQuery", json!(true)),
        ("/key/headers", json!(["x-plan"])),
    ]);
    check(
        &rules,
        "a.example/?b=1&a=2&utm_source=x",
        "a.example/?a=2&b=1",
        true,
    );
    check(&rules, "a.example/?utm_source=x", "a.example/", true);
    let plan = |fields: &[(&str, &str)]| key(&rules, "a.example/", fields);
    assert_ne!(plan(&[("x-plan", "")]), plan(&[]));
    assert_ne!(plan(&[("x-plan", "a")]), plan(&[("x-plan", "b")]));
    assert_eq!(
        plan(&[("x-plan", "a, b")]),
        plan(&[("x-plan", "a"), ("x-plan", "b")])
    );
    assert_eq!(plan(&[("x-other", "b")]), plan(&[]));
    let url = lookup(&rules, "a.example/?b=1&a=2&utm_source=x", &[]).url();
    let purged = url_of("http://A.example:80/?utm_medium=y&b=1&a=2").unwrap();
    let keyed = &rules.policy().key;
    let under = url_under(str::from_utf8(&purged).unwrap(), &keyed.query, keyed.sort_query);
    assert_eq!(under, url);
    assert_ne!(
        key(&with(&[("/key/version", json!(2))]), "a.example/", &[]),
        key(crate::fixture::rules(), "a.example/", &[])
    );
}

#[test]
fn clients_of_different_shards_share_nothing() {
    let policy = patched(&[(
        "/key/shardKeys",
        json!({
            "rules": [
                {"policy": "ns/tenants", "route": "shop"},
                {"policy": "ns/users", "match": {"path": {"type": "Template", "value": "/users/{id}/**"}}},
            ],
            "maps": {
                "ns/tenants": [{"header": "x-tenant"}],
                "ns/users": [{"path": {"template": "/users/{id}/**"}}],
            },
        }),
    )]);
    let policy: CompiledCachePolicy = serde_json::from_value(policy).unwrap();
    let route: CompiledRoute =
        serde_json::from_value(json!({"name": "shop", "match": [{"host": "shop.example"}]})).unwrap();
    let rules = CacheRules::try_new(policy.clone(), std::slice::from_ref(&route)).unwrap();
    let tenant = |what: &str, tenant: &str| key(&rules, what, &[("x-tenant", tenant)]);
    assert_ne!(tenant("shop.example/", "a"), tenant("shop.example/", "b"));
    assert_ne!(tenant("shop.example/", "a"), key(&rules, "shop.example/", &[]));
    assert_eq!(tenant("a.example/", "a"), tenant("a.example/", "b"));
    assert_eq!(
        tenant("a.example/users/1/x", "a"),
        tenant("a.example/users/1/x", "b")
    );

    let unknown = CacheRules::try_new(policy, &[]).unwrap_err();
    assert_eq!(
        (unknown.pointer.as_str(), unknown.reason.as_str()),
        ("/key/shardKeys", "invalid_shard_keys")
    );
}

#[test]
fn a_wrong_policy_is_refused_with_its_place() {
    let check = |pointer: &str, value: serde_json::Value, expected: &str| {
        let policy = serde_json::from_value(patched(&[(pointer, value)])).unwrap();
        assert_eq!(CacheRules::try_new(policy, &[]).unwrap_err().pointer, expected);
    };
    check("/bypassHeaders", json!(["a", "B c"]), "/bypassHeaders/1");
    check("/varyIgnore", json!([""]), "/varyIgnore/0");
    check("/limits/objectBytes", json!(0), "/limits/objectBytes");
    check("/limits/totalBytes", json!(10), "/limits/objectBytes");
    check("/limits/objects", json!(0), "/limits/objects");
    check("/cdn", json!({"tagHeader": " "}), "/cdn/tagHeader");
    check(
        "/ttl/rules",
        json!([{"ttlMs": 1, "match": {"path": {"type": "RegularExpression", "value": "("}}}]),
        "/ttl/rules/0/match/path/value",
    );
    check(
        "/key/shardKeys",
        json!({"rules": [], "maps": {"a/b": [{"query": ""}]}}),
        "/key/shardKeys/maps/a~1b/0/query",
    );
}

proptest! {
    /// Whatever the parts: only the same parts make the same text.
    #[test]
    fn no_two_requests_have_the_same_key(
        one in ("[ab:]{1,3}", "/[ab?&=]{0,4}", prop::option::of("[ab,]{0,3}")),
        other in ("[ab:]{1,3}", "/[ab?&=]{0,4}", prop::option::of("[ab,]{0,3}")),
    ) {
        let rules = with(&[("/key/headers", json!(["x"]))]);
        let make = |(host, path, x): &(String, String, Option<String>)| {
            let fields: Vec<(&str, &str)> = x.iter().map(|x| ("x", x.as_str())).collect();
            let request = lookup(&rules, &format!("{host}{path}"), &fields);
            let list = x.as_ref().map(|x| x.split(',').filter(|item| !item.is_empty()).collect::<Vec<_>>().join(","));
            (request.key, (host.strip_suffix(':').filter(|host| !host.contains(':')).unwrap_or(host).to_owned(), path.clone(), list))
        };
        let ((one_key, one), (other_key, other)) = (make(&one), make(&other));
        prop_assert_eq!(one_key.text == other_key.text, one == other, "{:?} {:?}", one, other);
        prop_assert_eq!(one_key.hash, xxhash_rust::xxh3::xxh3_64(&one_key.text));
    }
}
