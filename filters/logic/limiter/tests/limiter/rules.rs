//! Which policies are for a request, and what several of them say together.

use serde_json::{Value, json};
use weir_limiter::Decision;
use weir_limiter::Tallied::{
    Allowed, KeyMissing, Limited, ShadowAllowed, ShadowLimited, ShadowOnlyAllowed, ShadowOnlyLimited,
};

use crate::fixture::{NOW, Request, SECOND, Slot, limit, policy, rate, slot};

/// So many in an hour, of all requests together.
fn of_all(requests: u64) -> Value {
    limit(&json!({"key": [], "quota": rate(requests, 3_600_000)}))
}

fn two(one: Value, other: Value) -> Slot {
    Slot::new(&slot(&[("default/a", one), ("default/b", other)], &json!({})))
}

#[test]
fn a_policy_with_several_rules_for_a_request_counts_it_once() {
    let prefix =
        |value: &str| json!({"policy": "default/api", "match": {"path": {"type": "Prefix", "value": value}}});
    let rules = json!([prefix("/"), prefix("/orders"), {"policy": "default/api"}]);
    let policies = [("default/api", policy(&[of_all(2)], &json!({})))];
    let slot = Slot::new(&slot(&policies, &json!({"rules": rules})));
    assert_eq!(slot.count(&Request::new().with(":path", "/orders/1"), NOW), 2);
    assert_eq!(
        slot.world.tallied(),
        [(0, 0, Allowed), (0, 0, Allowed), (0, 0, Limited)]
    );
}

#[test]
fn a_request_without_a_policy_makes_no_call() {
    let rules = json!([{"policy": "default/api", "match": {"path": {"type": "Prefix", "value": "/orders"}}}]);
    let slot = Slot::new(&slot(
        &[("default/api", policy(&[of_all(1)], &json!({})))],
        &json!({"rules": rules}),
    ));
    assert_eq!(
        slot.ask(&Request::new().with(":path", "/other"), NOW),
        Decision::default()
    );
    assert_eq!(slot.world.calls(), 0);
}

#[test]
fn an_exempt_request_is_not_counted_by_that_policy() {
    let exempt = json!({"exempt": [{"match": {"path": {"type": "Exact", "value": "/healthz"}}}]});
    let slot = two(policy(&[of_all(1)], &exempt), policy(&[of_all(3)], &json!({})));
    let health = Request::new().with(":path", "/healthz");
    assert_eq!(slot.count(&health, NOW), 3);
    assert!(slot.world.tallied().iter().all(|(policy, ..)| *policy == 1));
}

#[test]
fn the_strictest_of_all_policies_answers() {
    let slot = two(policy(&[of_all(5)], &json!({})), policy(&[of_all(2)], &json!({})));
    assert_eq!(slot.count(&Request::new(), NOW), 2);
    let Decision::Limited(limited) = slot.ask(&Request::new(), NOW) else {
        panic!()
    };
    assert_eq!(limited.violated, ["client"]);
    assert_eq!(slot.world.tallied().pop(), Some((1, 0, Limited)));
}

#[test]
fn a_missing_value_is_shared_skipped_or_refused() {
    for (on_missing_key, passes) in [("shared", 1), ("skip", 10)] {
        let slot = Slot::of(&json!({"quota": rate(1, 3_600_000), "onMissingKey": on_missing_key}));
        assert_eq!(
            slot.count(&Request::new(), NOW).min(10),
            passes,
            "{on_missing_key}"
        );
        assert_eq!(slot.world.tallied()[0], (0, 0, KeyMissing));
        assert_eq!(slot.count(&Request::new().with("x-user", "a"), NOW), 1);
    }
    let slot = Slot::with(&[
        of_all(5),
        limit(&json!({"name": "user", "onMissingKey": "reject"})),
    ]);
    assert_eq!(
        slot.ask(&Request::new(), NOW),
        Decision::KeyMissing { policy: 0, limit: 1 }
    );
    assert_eq!(slot.world.calls(), 0, "nothing is charged");
    assert_eq!(slot.world.tallied(), [(0, 1, KeyMissing)]);
    assert!(slot.passes(&Request::new().with("x-user", "a"), NOW));
}

#[test]
fn a_shadow_skips_a_limit_whose_value_is_missing() {
    let user = limit(&json!({"name": "user", "onMissingKey": "reject"}));
    let slot = Slot::new(&slot(
        &[(
            "default/api",
            policy(&[user, of_all(1)], &json!({"shadow": true})),
        )],
        &json!({}),
    ));
    assert_eq!(slot.count(&Request::new(), NOW).min(3), 3);
    let tallied = slot.world.tallied();
    assert_eq!(&tallied[..2], [(0, 0, KeyMissing), (0, 1, ShadowAllowed)]);
    assert_eq!(&tallied[2..4], [(0, 0, KeyMissing), (0, 1, ShadowOnlyLimited)]);
}

#[test]
fn plans_give_some_clients_another_quota() {
    let slot = Slot::of(&json!({
        "quota": rate(2, 3_600_000),
        "plans": {"from": {"header": "x-plan"}, "quotas": {"gold": rate(4, 3_600_000), "": rate(9, 3_600_000)}},
    }));
    let user = |name: &str, plan: &str| Request::new().with("x-user", name).with("x-plan", plan);
    assert_eq!(slot.count(&user("a", "gold"), NOW), 4);
    assert_eq!(slot.count(&user("b", "Gold"), NOW), 2);
    assert_eq!(slot.count(&user("c", ""), NOW), 2, "an empty value is no plan");
    assert_eq!(slot.count(&Request::new().with("x-user", "d"), NOW), 2);
    // Another plan is no new quota: what has been used up is used up.
    assert_eq!(slot.count(&user("a", "none"), NOW), 0);
    assert_eq!(slot.count(&user("b", "gold"), NOW), 0);
}

fn shadow(limit: Value, candidate_for: Option<&str>) -> Value {
    policy(
        &[limit],
        &json!({"shadow": true, "candidateFor": candidate_for, "headers": {"legacy": true}}),
    )
}

#[test]
fn a_shadow_changes_nothing_for_clients() {
    let plain = Slot::new(&slot(
        &[("default/a", policy(&[of_all(3)], &json!({})))],
        &json!({}),
    ));
    let shadowed = two(policy(&[of_all(3)], &json!({})), shadow(of_all(1), None));
    for _ in 0..5 {
        assert_eq!(
            shadowed.ask(&Request::new(), NOW),
            plain.ask(&Request::new(), NOW)
        );
    }
    let outcome = |slot: &Slot| -> Vec<_> {
        let tallied = slot.world.tallied();
        tallied.into_iter().filter(|(policy, ..)| *policy == 0).collect()
    };
    assert_eq!(outcome(&shadowed), outcome(&plain));
}

/// What a shadow of two in an hour counts beside a live policy, for four requests.
fn compared(live: u64, candidate_for: Option<&str>) -> Vec<weir_limiter::Tallied> {
    let slot = two(
        policy(&[of_all(live)], &json!({})),
        shadow(of_all(2), candidate_for),
    );
    (0..4).for_each(|_| drop(slot.ask(&Request::new(), NOW)));
    let tallied = slot.world.tallied();
    tallied
        .into_iter()
        .filter(|(policy, ..)| *policy == 1)
        .map(|(.., what)| what)
        .collect()
}

#[test]
fn a_shadow_is_compared_with_the_live_verdict() {
    for candidate_for in [None, Some("default/a")] {
        assert_eq!(
            compared(3, candidate_for),
            [ShadowAllowed, ShadowAllowed, ShadowOnlyLimited, ShadowLimited]
        );
        assert_eq!(
            compared(1, candidate_for),
            [ShadowAllowed, ShadowOnlyAllowed, ShadowLimited, ShadowLimited]
        );
    }
}

#[test]
fn a_shadows_refusal_is_counted_by_the_limits_that_refuse() {
    let limits = [
        of_all(9),
        limit(&json!({"name": "few", "key": [], "quota": rate(1, 3_600_000)})),
    ];
    let shadow = policy(&limits, &json!({"shadow": true}));
    let slot = Slot::new(&slot(&[("default/api", shadow)], &json!({})));
    assert!(slot.passes(&Request::new(), NOW));
    assert_eq!(
        slot.world.tallied(),
        [(0, 0, ShadowAllowed), (0, 1, ShadowAllowed)]
    );
    assert!(slot.passes(&Request::new(), NOW));
    assert_eq!(slot.world.tallied(), [(0, 1, ShadowOnlyLimited)]);
}

#[test]
fn a_candidate_for_a_policy_that_is_not_here_is_compared_with_no_limit() {
    assert_eq!(
        compared(1, Some("default/elsewhere")),
        [ShadowAllowed, ShadowAllowed, ShadowOnlyLimited, ShadowOnlyLimited]
    );
}

#[test]
fn a_candidate_is_compared_with_its_policy_and_no_other() {
    let policies = [
        ("default/a", policy(&[of_all(1)], &json!({}))),
        ("default/b", policy(&[of_all(9)], &json!({}))),
        ("default/c", shadow(of_all(2), Some("default/b"))),
    ];
    let slot = Slot::new(&slot(&policies, &json!({})));
    (0..3).for_each(|_| drop(slot.ask(&Request::new(), NOW)));
    let of_shadow: Vec<_> = slot
        .world
        .tallied()
        .into_iter()
        .filter(|(policy, ..)| *policy == 2)
        .collect();
    assert_eq!(
        of_shadow,
        [
            (2, 0, ShadowAllowed),
            (2, 0, ShadowAllowed),
            (2, 0, ShadowOnlyLimited)
        ]
    );
}

fn at_once(requests: u64) -> Value {
    limit(&json!({"key": [], "quota": {"concurrency": {"requests": requests, "maxDurationMs": 60_000}}}))
}

#[test]
fn requests_under_way_are_counted_until_they_end() {
    let slot = Slot::with(&[at_once(2)]);
    let one = slot.passed(&Request::new(), NOW).pending;
    let _other = slot.passed(&Request::new(), NOW);
    assert!(!slot.passes(&Request::new(), NOW));
    slot.limiter.on_end(&one[0], &slot.world, NOW + SECOND).unwrap();
    assert_eq!(slot.count(&Request::new(), NOW + SECOND), 1);
}

#[test]
fn the_end_of_the_last_request_under_way_counts_as_well() {
    let slot = Slot::with(&[at_once(1)]);
    for second in 0..3 {
        let now = NOW + second * SECOND;
        let pending = slot.passed(&Request::new(), now).pending;
        assert!(!slot.passes(&Request::new(), now));
        slot.limiter.on_end(&pending[0], &slot.world, now).unwrap();
    }
    // An end whose beginning is forgotten takes no place.
    let pending = slot.passed(&Request::new(), NOW).pending;
    slot.world.put(0, &[]);
    slot.limiter.on_end(&pending[0], &slot.world, NOW).unwrap();
    assert!(slot.world.keys().is_empty());
}

#[test]
fn a_shadow_counts_requests_under_way_as_long_as_they_are() {
    let slot = two(
        policy(&[of_all(2)], &json!({})),
        shadow(at_once(2), Some("default/a")),
    );
    let pending: Vec<_> = (0..2)
        .flat_map(|_| slot.passed(&Request::new(), NOW).pending)
        .collect();
    assert_eq!(pending.len(), 2);
    for pending in &pending {
        slot.limiter.on_end(pending, &slot.world, NOW).unwrap();
    }
    slot.world.tallied();
    // A request that the live policy holds back is never under way, however many there are.
    for _ in 0..5 {
        assert!(!slot.passes(&Request::new(), NOW));
    }
    let of_shadow: Vec<_> = slot
        .world
        .tallied()
        .into_iter()
        .filter(|(policy, ..)| *policy == 1)
        .collect();
    assert_eq!(of_shadow, [(1, 0, ShadowOnlyAllowed); 5]);
}

#[test]
fn the_fleets_limits_say_what_they_are_asked_for_whether_it_passes_or_not() {
    let fleet = json!({"name": "fleet", "quota": rate(2, 3_600_000), "fleet": {"proxies": 1}, "cost": {"constant": 2}});
    let slot = Slot::with(&[limit(&fleet), limit(&json!({"quota": rate(5, 3_600_000)}))]);
    let request = Request::new().with("x-user", "a");
    (0..3).for_each(|_| drop(slot.ask(&request, NOW + 7_200 * SECOND)));
    let key = slot.limiter.policies()[0].limits()[0]
        .key_of_texts(&["a".to_owned()], 0)
        .unwrap();
    assert_eq!(slot.world.demanded(), [(0, 0, key, 2); 3]);
}
