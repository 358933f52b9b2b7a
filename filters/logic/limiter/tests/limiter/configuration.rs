//! What a slot's configuration must be.

use proptest::prelude::*;
use serde_json::{Value, json};
use weir_limiter::Limiter;

use crate::fixture::{limit, limiter, merged, policy, rate, slot};

fn error(config: &Value) -> String {
    Limiter::from_json(config.to_string().as_bytes())
        .unwrap_err()
        .to_string()
}

fn of_limits(limits: &[Value]) -> Value {
    slot(&[("default/api", policy(limits, &json!({})))], &json!({}))
}

fn of_limit(more: &Value) -> Value {
    of_limits(&[limit(more)])
}

fn of_policy(more: &Value) -> Value {
    slot(&[("default/api", policy(&[limit(&json!({}))], more))], &json!({}))
}

/// The error starts with `pointer` and says `detail`.
#[track_caller]
fn refused(config: &Value, pointer: &str, detail: &str) {
    let error = error(config);
    assert!(
        error.starts_with(&format!("{pointer}: ")) && error.contains(detail),
        "{error}"
    );
}

#[test]
fn a_slot_has_its_policies_in_the_order_of_their_names() {
    let named = |name| (name, policy(&[limit(&json!({}))], &json!({})));
    let limiter = limiter(&slot(
        &[named("default/b"), named("default/a")],
        &json!({"control": {"cluster": "c"}}),
    ));
    assert_eq!(limiter.slot(), "weir/default/edge/rate-limit");
    assert_eq!(limiter.generation(), 1);
    assert_eq!(limiter.control().unwrap().cluster, "c");
    let names: Vec<&str> = limiter
        .policies()
        .iter()
        .map(weir_limiter::Policy::name)
        .collect();
    assert_eq!(names, ["default/a", "default/b"]);
    assert_eq!(limiter.fleet_limits().count(), 0);
    let paths: Vec<&str> = limiter.policies()[0]
        .limits()
        .iter()
        .map(weir_limiter::Limit::path)
        .collect();
    assert_eq!(paths, ["default/a/client"]);
}

#[test]
fn the_table_is_for_as_many_keys_as_the_largest_policy_says() {
    let of = |keys: u32| policy(&[limit(&json!({}))], &json!({"maxKeys": keys}));
    let config = slot(&[("default/a", of(100)), ("default/b", of(7))], &json!({}));
    assert_eq!(limiter(&config).layout().buckets(), 32);
    assert_eq!(limiter(&slot(&[], &json!({}))).layout().buckets(), 1);
}

#[test]
fn another_format_or_field_is_refused() {
    let ok = of_limit(&json!({}));
    refused(
        &merged(ok.clone(), &json!({"format": 2})),
        "/format",
        "unknown format 2",
    );
    for more in [json!({"mode": "shadow"}), json!({"limit": []})] {
        assert!(error(&of_policy(&more)).contains("unknown field"));
    }
    assert!(error(&of_limit(&json!({"burst": 1}))).contains("unknown field"));
    assert!(error(&merged(ok.clone(), &json!({"x": 1}))).contains("unknown field"));
    assert!(Limiter::from_json(b"").is_err());
    assert!(Limiter::from_json(b"{").is_err());
    refused(
        &merged(ok, &json!({"generation": 1_u64 << 53})),
        "/generation",
        "",
    );
}

#[test]
fn rules_name_policies_and_match_well() {
    let with = |rules: Value| merged(of_limit(&json!({})), &json!({"rules": rules}));
    refused(
        &with(json!([{"policy": "default/other"}])),
        "/rules/0/policy",
        "no policy \"default/other\"",
    );
    let bad = json!({"path": {"type": "RegularExpression", "value": "("}});
    let rules = json!([{"policy": "default/api"}, {"policy": "default/api", "match": bad}]);
    refused(&with(rules), "/rules/1/match/path/value", "");
    refused(
        &with(json!([{"policy": "default/api", "route": "r"}])),
        "/rules/0/route",
        "no route \"r\"",
    );
}

#[test]
fn parents_are_there_and_not_below() {
    let named = |name: &str, parent: Option<&str>| limit(&json!({"name": name, "parent": parent}));
    let pointer = "/policies/default~1api/limits";
    refused(
        &of_limits(&[named("a", None), named("b", Some("c"))]),
        &format!("{pointer}/1"),
        "",
    );
    refused(&of_limits(&[named("a", Some("a"))]), &format!("{pointer}/0"), "");
    refused(
        &of_limits(&[named("a", Some("b")), named("b", Some("a"))]),
        &format!("{pointer}/0"),
        "",
    );
}

#[test]
fn quotas_are_in_range() {
    let quota = |quota: Value| of_limit(&json!({"quota": quota}));
    let rate = |requests: u64, window: u64, burst: u64| {
        quota(json!({"rate": {"requests": requests, "windowMs": window, "burst": burst}}))
    };
    let pointer = "/policies/default~1api/limits/0/quota";
    let most = u64::MAX;
    for config in [
        rate(0, 1, 1),
        rate(1, 0, 1),
        rate(1, 1, 0),
        rate(1_001, 1, 1),
        rate(1, 366 * 86_400_000 + 1, 1),
        rate(most, most, most),
        rate(1, 366 * 86_400_000, 1_000),
    ] {
        refused(&config, &format!("{pointer}/rate"), "expected");
    }
    let window = |requests: u64, window: u64| {
        quota(json!({"slidingWindow": {"requests": requests, "windowMs": window}}))
    };
    for config in [window(0, 1), window(1, 0), window(1, most)] {
        refused(&config, &format!("{pointer}/slidingWindow"), "expected");
    }
    let concurrency = |requests: u64, most: u64| {
        quota(json!({"concurrency": {"requests": requests, "maxDurationMs": most}}))
    };
    for config in [concurrency(0, 1), concurrency(1, 0), concurrency(1, most)] {
        refused(&config, &format!("{pointer}/concurrency"), "expected");
    }
}

#[test]
fn plans_are_checked_and_are_not_for_the_fleet() {
    let pointer = "/policies/default~1api/limits/0/plans";
    let plans = json!({"from": {"header": "x-plan"}, "quotas": {"a/b~": rate(0, 1)}});
    refused(
        &of_limit(&json!({"plans": plans})),
        &format!("{pointer}/quotas/a~1b~0/rate"),
        "expected 1",
    );
    let from = json!({"from": {"header": "X-Plan"}, "quotas": {"a": rate(1, 1)}});
    refused(
        &of_limit(&json!({"plans": from})),
        &format!("{pointer}/from/0/header"),
        "",
    );
    let plans = json!({"from": {"header": "x-plan"}, "quotas": {"a": rate(1, 1)}});
    let fleet = json!({"plans": plans, "fleet": {"proxies": 1}});
    refused(&of_limit(&fleet), pointer, "expected no plans");
}

#[test]
fn descriptors_costs_and_exemptions_are_checked() {
    let pointer = "/policies/default~1api";
    let key = |descriptor: Value| of_limit(&json!({"key": [{"header": "x"}, descriptor]}));
    let path = json!({"path": {"template": "/{id}", "variable": "other"}});
    refused(
        &key(path),
        &format!("{pointer}/limits/0/key/1/0/path/variable"),
        "variable",
    );
    refused(
        &key(json!({"header": "no name"})),
        &format!("{pointer}/limits/0/key/1/0/header"),
        "",
    );
    refused(
        &key(json!({"shardKey": []})),
        &format!("{pointer}/limits/0/key/1"),
        "0 sources",
    );
    let bad = json!({"path": {"type": "RegularExpression", "value": "("}});
    let cost = json!({"cost": {"matches": [{"match": bad, "cost": 1}]}});
    refused(
        &of_limit(&cost),
        &format!("{pointer}/limits/0/cost/matches/0/match/path/value"),
        "",
    );
    let exempt = |exemption: Value| of_policy(&json!({"exempt": [{"match": {}}, exemption]}));
    refused(
        &exempt(json!({"match": bad})),
        &format!("{pointer}/exempt/1/match/path/value"),
        "",
    );
    for network in [
        "",
        "10.0.0.0/33",
        "::/129",
        "10.0.0.0/",
        "10.0.0/8",
        "10.0.0.0/-1",
        "host",
        "10.0.0.0/8/8",
    ] {
        let networks = json!({"clientAddress": {"networks": ["10.0.0.0/8", network]}});
        refused(
            &exempt(networks),
            &format!("{pointer}/exempt/1/clientAddress/networks/1"),
            "network",
        );
    }
}

proptest! {
    #[test]
    fn no_text_breaks_it(text in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Limiter::from_json(&text);
    }

    #[test]
    fn numbers_of_any_size_are_taken_or_refused(
        numbers in proptest::array::uniform6(prop_oneof![0_u64..4, any::<u64>()]),
    ) {
        let [requests, window, burst, cost, max, keys] = numbers;
        let keys = u32::try_from(keys).unwrap_or(u32::MAX);
        let quota = json!({"rate": {"requests": requests, "windowMs": window, "burst": burst}});
        let cost = json!({"constant": cost, "responseHeader": {"name": "x", "max": max}});
        let limits = [limit(&json!({"quota": quota, "cost": cost, "fleet": {"proxies": keys}}))];
        let config = slot(&[("a/b", policy(&limits, &json!({"maxKeys": keys})))], &json!({}));
        if let Ok(limiter) = Limiter::from_json(config.to_string().as_bytes()) {
            let slot = crate::fixture::Slot {
                limiter,
                world: crate::world::World::default(),
                board: weir_limiter::Board::new(crate::fixture::NOW),
            };
            for now in [0, crate::fixture::NOW, u64::MAX] {
                slot.ask(&crate::fixture::Request::new(), now);
            }
        }
    }
}
