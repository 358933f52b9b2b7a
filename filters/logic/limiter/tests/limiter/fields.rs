//! What clients are told, read by a parser of structured fields (RFC 9651).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use serde_json::{Value, json};
use sfv::{BareItem, FieldType, ListEntry, Parser};
use weir_limiter::{Decision, Fields, Legacy};

use crate::fixture::{MILLI, NOW, Request, SECOND, Slot, limit, merged, policy, rate, slot};

/// One item of a list: its name and its parameters.
type Item = (String, Vec<(String, BareItem)>);

fn items(field: &str) -> Vec<Item> {
    let list: sfv::List = Parser::new(field)
        .parse()
        .unwrap_or_else(|error| panic!("{field}: {error}"));
    assert_eq!(
        list.serialize().as_deref(),
        Some(field),
        "not as a serializer writes it"
    );
    let item = |entry: ListEntry| {
        let ListEntry::Item(item) = entry else {
            panic!("{field}")
        };
        let BareItem::String(name) = item.bare_item else {
            panic!("{field}")
        };
        let params = item
            .params
            .into_iter()
            .map(|(key, value)| (key.as_str().to_owned(), value));
        (name.as_str().to_owned(), params.collect())
    };
    list.into_iter().map(item).collect()
}

fn int(number: u64) -> BareItem {
    BareItem::Integer(i64::try_from(number).unwrap().try_into().unwrap())
}

fn param<'i>(item: &'i Item, name: &str) -> Option<&'i BareItem> {
    item.1
        .iter()
        .find(|(known, _)| known == name)
        .map(|(_, value)| value)
}

fn fields(decision: Decision) -> Option<Fields> {
    match decision {
        Decision::Pass(passed) => passed.fields,
        Decision::Limited(limited) => limited.fields,
        other => panic!("{other:?}"),
    }
}

fn told(slot: &Slot, request: &Request, now: u64) -> Fields {
    fields(slot.ask(request, now)).expect("fields")
}

#[test]
fn each_limit_is_an_item_with_its_quota_and_what_is_left() {
    let slot = Slot::with(&[
        limit(&json!({"quota": {"rate": {"requests": 100, "windowMs": 60_000, "burst": 100}}})),
        limit(
            &json!({"name": "all", "key": [], "quota": {"slidingWindow": {"requests": 50, "windowMs": 1_500}}}),
        ),
        limit(&json!({
            "name": "at-once", "key": [], "quota": {"concurrency": {"requests": 5, "maxDurationMs": 1_000}},
        })),
    ]);
    let request = Request::new().with("x-user", "a");
    let told = told(&slot, &request, NOW);
    let policy = items(&told.policy);
    let names: Vec<&str> = policy.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["client", "all", "at-once"]);
    assert_eq!(
        (param(&policy[0], "q"), param(&policy[0], "w")),
        (Some(&int(100)), Some(&int(60)))
    );
    assert_eq!(
        (param(&policy[1], "q"), param(&policy[1], "w")),
        (Some(&int(50)), Some(&int(2)))
    );
    assert_eq!(
        (param(&policy[2], "q"), param(&policy[2], "w")),
        (Some(&int(5)), None)
    );
    let units = |item: &Item| param(item, "qu").cloned();
    let concurrent: sfv::String = "concurrent-requests".to_owned().try_into().unwrap();
    assert_eq!([units(&policy[0]), units(&policy[1])], [None, None]);
    assert_eq!(units(&policy[2]), Some(BareItem::String(concurrent)));
    let limit = items(&told.limit);
    let left: Vec<_> = limit
        .iter()
        .map(|item| (item.0.as_str(), param(item, "r").unwrap()))
        .collect();
    assert_eq!(
        left,
        [("client", &int(99)), ("all", &int(49)), ("at-once", &int(4))]
    );
    // One unit of 100 in a minute is back in 0.6 s.
    assert_eq!(param(&limit[0], "t"), Some(&int(1)));
}

#[test]
fn a_partition_is_named_by_bytes_that_differ_by_client() {
    let slot = Slot::with(&[limit(&json!({})), limit(&json!({"name": "all", "key": []}))]);
    let pk = |user: &str| {
        let told = told(&slot, &Request::new().with("x-user", user), NOW);
        let policy = items(&told.policy);
        assert_eq!(param(&policy[1], "pk"), None, "all clients are one partition");
        match param(&policy[0], "pk").unwrap() {
            BareItem::ByteSequence(bytes) => bytes.clone(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(pk("alice"), pk("alice"));
    assert_ne!(pk("alice"), pk("bob"));
    let key = slot.key_of(&["alice"]).unwrap();
    assert_eq!(pk("alice"), key.0.to_be_bytes()[4..]);
    let shown = STANDARD.encode(pk("alice"));
    assert!(!shown.contains("alice") && !String::from_utf8_lossy(&pk("alice")).contains("alice"));
}

#[test]
fn what_is_left_of_the_others_is_told_as_it_is_when_one_limit_refuses() {
    let slot = Slot::with(&[
        limit(&json!({"quota": rate(1, 3_600_000)})),
        limit(&json!({"name": "all", "key": [], "quota": rate(10, 3_600_000), "cost": {"constant": 2}})),
        limit(
            &json!({"name": "window", "key": [], "quota": {"slidingWindow": {"requests": 10, "windowMs": 3_600_000}}}),
        ),
        limit(
            &json!({"name": "at-once", "key": [], "quota": {"concurrency": {"requests": 10, "maxDurationMs": 3_600_000}}}),
        ),
    ]);
    let request = Request::new().with("x-user", "a");
    let left = |now| -> Vec<BareItem> {
        let told = told(&slot, &request, now);
        items(&told.limit)
            .iter()
            .map(|item| param(item, "r").unwrap().clone())
            .collect()
    };
    assert_eq!(left(NOW), [int(0), int(8), int(9), int(9)]);
    assert_eq!(left(NOW), [int(0), int(8), int(9), int(9)]);
}

fn telling(standard: &str, legacy: bool) -> Slot {
    let limit = limit(&json!({"quota": rate(1, 3_600_000)}));
    let headers = json!({"headers": {"standard": standard, "legacy": legacy}});
    Slot::new(&slot(&[("default/api", policy(&[limit], &headers))], &json!({})))
}

#[test]
fn clients_are_told_when_the_policy_says_so() {
    for (standard, passed, limited) in [
        ("always", true, true),
        ("limited", false, true),
        ("never", false, false),
    ] {
        let slot = telling(standard, true);
        let is_told = |_| fields(slot.ask(&Request::new(), NOW)).is_some();
        assert_eq!([(); 2].map(is_told), [passed, limited], "{standard}");
    }
    assert_eq!(told(&telling("always", false), &Request::new(), NOW).legacy, None);
    let once = Legacy {
        limit: 1,
        remaining: 0,
        reset_s: 3_600,
    };
    assert_eq!(
        told(&telling("always", true), &Request::new(), NOW).legacy,
        Some(once)
    );
}

#[test]
fn the_older_fields_are_of_the_limit_that_is_nearest_to_its_end() {
    let limit = |name: &str, requests: u64| {
        limit(&json!({"name": name, "key": [], "quota": rate(requests, 1_000_000)}))
    };
    let limits = [limit("a", 100), limit("b", 10), limit("c", 1_000)];
    let headers = json!({"headers": {"legacy": true}});
    let slot = Slot::new(&slot(&[("default/api", policy(&limits, &headers))], &json!({})));
    // 99 of 100, 9 of 10, 999 of 1000.
    let legacy = told(&slot, &Request::new(), NOW).legacy.unwrap();
    assert_eq!((legacy.limit, legacy.remaining, legacy.reset_s), (10, 9, 100));
}

#[test]
fn a_refusal_says_when_to_come_again() {
    let slot =
        Slot::of(&json!({"quota": rate(2, 20_000), "cost": {"requestHeader": {"name": "x-cost", "max": 9}}}));
    let ask = |cost: u64, now: u64| match slot.ask(&Request::new().with("x-cost", cost.to_string()), now) {
        Decision::Pass(_) => None,
        Decision::Limited(limited) => {
            assert_eq!(limited.violated, ["client"]);
            assert!(!limited.lost);
            Some(limited.retry_after_s)
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(ask(2, NOW), None);
    assert_eq!(ask(1, NOW), Some(Some(10)));
    assert_eq!(ask(1, NOW + 9_999 * MILLI), Some(Some(1)));
    assert_eq!(ask(2, NOW + 10 * SECOND), Some(Some(10)));
    assert_eq!(ask(3, NOW), Some(None), "more than there ever is");
    assert_eq!(ask(1, NOW + 10 * SECOND), None);
}

#[test]
fn a_refusal_for_requests_under_way_may_be_tried_again_soon() {
    let slot = Slot::of(&json!({"quota": {"concurrency": {"requests": 1, "maxDurationMs": 60_000}}}));
    assert!(slot.passes(&Request::new(), NOW));
    let Decision::Limited(limited) = slot.ask(&Request::new(), NOW) else {
        panic!()
    };
    assert_eq!(limited.retry_after_s, Some(1));
}

fn quota() -> impl Strategy<Value = Value> {
    let rate = (1_u64..1_000_000_000_000, 1_u64..31_622_400_000, 1_u64..1_000_000).prop_map(
        |(requests, window_ms, burst)| {
            let requests = requests.min(window_ms * 1_000);
            let most = u128::from(requests) * 31_622_400_000 / u128::from(window_ms);
            let burst = burst.min(u64::try_from(most).unwrap());
            json!({"rate": {"requests": requests, "windowMs": window_ms, "burst": burst.max(1)}})
        },
    );
    let window = (1_u64..u64::from(u32::MAX), 1_u64..31_622_400_000).prop_map(
        |(requests, window_ms)| json!({"slidingWindow": {"requests": requests, "windowMs": window_ms}}),
    );
    let concurrency = (1_u64..1_000_000)
        .prop_map(|requests| json!({"concurrency": {"requests": requests, "maxDurationMs": 1_000}}));
    prop_oneof![rate, window, concurrency]
}

proptest! {
    #[test]
    fn fields_are_structured_whatever_is_counted(
        quotas in proptest::collection::vec(quota(), 1..5), asks in 1_usize..4,
    ) {
        let limits: Vec<Value> = quotas
            .iter()
            .enumerate()
            .map(|(index, quota)| merged(limit(&json!({"quota": quota})), &json!({"name": format!("l{index}")})))
            .collect();
        let slot = Slot::with(&limits);
        for _ in 0..asks {
            let told = told(&slot, &Request::new().with("x-user", "a"), NOW);
            let (policy, limit) = (items(&told.policy), items(&told.limit));
            prop_assert_eq!(policy.len(), quotas.len());
            for (index, (policy, limit)) in policy.iter().zip(&limit).enumerate() {
                prop_assert_eq!(&policy.0, &format!("l{index}"));
                prop_assert_eq!(&policy.0, &limit.0);
                for (item, name) in [(policy, "q"), (limit, "r"), (limit, "t")] {
                    prop_assert!(matches!(param(item, name), Some(BareItem::Integer(number)) if *number >= int_of(0)));
                }
            }
        }
    }
}

fn int_of(number: i64) -> sfv::Integer {
    number.try_into().unwrap()
}
