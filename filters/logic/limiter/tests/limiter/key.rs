//! Keys: which requests are counted together.

use proptest::prelude::*;
use serde_json::json;
use weir_quota::bucket::LIMIT_BITS;

use crate::fixture::{NOW, Request, Slot, limit, policy, slot};

const NAMES: [&str; 4] = ["x-a", "x-b", "x-c", "x-d"];

fn by_headers(count: usize) -> Slot {
    let descriptors: Vec<_> = NAMES[..count]
        .iter()
        .map(|name| json!({"header": name}))
        .collect();
    Slot::of(&json!({"key": descriptors}))
}

fn request(values: &[Option<Vec<u8>>]) -> Request {
    NAMES
        .iter()
        .zip(values)
        .fold(Request::new(), |request, (name, value)| match value {
            Some(value) => request.with(name, value),
            None => request,
        })
}

/// Two lists of values that are the same bytes one after another, cut at other places; few letters, and such as lengths
/// are written with. A header of no bytes is as good as none.
fn two_cuts() -> impl Strategy<Value = [Vec<Option<Vec<u8>>>; 2]> {
    let byte = prop_oneof![Just(0_u8), Just(1), Just(2), Just(0xff)];
    let cuts = proptest::array::uniform4(any::<proptest::sample::Index>());
    (proptest::collection::vec(byte, 0..12), cuts, any::<[bool; 2]>()).prop_map(|(bytes, cuts, missing)| {
        [0, 1].map(|list| {
            let mut ends = [0, 1].map(|end| cuts[list * 2 + end].index(bytes.len() + 1));
            ends.sort_unstable();
            let values = [&bytes[..ends[0]], &bytes[ends[0]..ends[1]], &bytes[ends[1]..]];
            let value = |value: &[u8]| (!missing[list] || !value.is_empty()).then(|| value.to_vec());
            values.map(value).to_vec()
        })
    })
}

proptest! {
    #[test]
    fn no_two_lists_of_values_read_the_same([one, other] in two_cuts()) {
        let slot = by_headers(3);
        let some = |values: &[Option<Vec<u8>>]| -> Vec<Option<Vec<u8>>> {
            values.iter().map(|value| value.clone().filter(|value| !value.is_empty())).collect()
        };
        let equal = slot.key(&request(&one)) == slot.key(&request(&other));
        prop_assert_eq!(equal, some(&one) == some(&other));
    }

    #[test]
    fn an_operator_writes_the_same_key(
        values in proptest::collection::vec("[a-z0-9\u{e4}\u{20ac}]{1,12}", 3),
    ) {
        let slot = by_headers(3);
        let written: Vec<&str> = values.iter().map(String::as_str).collect();
        let sent: Vec<_> = values.iter().map(|value| Some(value.clone().into_bytes())).collect();
        prop_assert_eq!(slot.key(&request(&sent)), slot.key_of(&written));
        prop_assert_eq!(slot.key_of(&written[..2]), None);
        prop_assert_eq!(slot.key_of(&[]), None);
    }

    #[test]
    fn all_keys_of_a_limit_name_it_and_each_epoch_has_others(value in "[a-z]{1,12}", epochs: [u32; 2]) {
        let slot = Slot::with(&["a", "b"].map(|name| limit(&json!({"name": name}))));
        let limits = slot.limiter.policies()[0].limits();
        let key = |limit: usize, value: &str, epoch| {
            limits[limit].key_of_texts(&[value.to_owned()], epoch).unwrap()
        };
        let named = |limit, value: &str, epoch| key(limit, value, epoch).0 & LIMIT_BITS;
        for limit in [0, 1] {
            prop_assert_eq!(named(limit, &value, epochs[0]), named(limit, "-", epochs[1]));
        }
        prop_assert_ne!(named(0, &value, epochs[0]), named(1, &value, epochs[1]));
        let [one, other] = epochs.map(|epoch| key(0, &value, epoch));
        prop_assert_eq!(one == other, epochs[0] == epochs[1]);
        prop_assert_eq!(one.in_epoch(epochs[0]).in_epoch(epochs[1]), other);
    }
}

#[test]
fn a_header_is_its_first_value_and_case_matters() {
    let slot = by_headers(1);
    let twice = Request::new().with("x-a", "1").with("x-a", "2");
    assert_eq!(slot.key(&twice), slot.key_of(&["1"]));
    let key = |value: &str| slot.key(&Request::new().with("x-a", value));
    assert_ne!(key("a"), key("A"));
    assert_eq!(key(&"x".repeat(100_000)), slot.key_of(&[&"x".repeat(100_000)]));
}

#[test]
fn every_kind_of_descriptor_reads_as_an_operator_writes_it() {
    let request = Request::new()
        .with(":method", "POST")
        .with(":path", "/users/J%C3%BCrgen%2F1/orders?user=q&user=r")
        .with("x-user", "u");
    let path = json!({"path": {"template": "/users/{id}/**"}});
    let query = json!({"shardKey": [{"header": "x-none"}, {"query": "user"}]});
    for (descriptor, expected) in [
        (json!("method"), "POST"),
        (path, "J\u{fc}rgen/1"),
        (query, "q"),
        (json!({"header": "x-user"}), "u"),
    ] {
        let slot = Slot::by(&json!([descriptor]));
        assert_eq!(slot.key(&request), slot.key_of(&[expected]), "{descriptor}");
        assert_eq!(slot.key(&Request::new()), None, "{descriptor}");
    }
}

#[test]
fn each_limit_and_kind_of_quota_has_keys_of_its_own() {
    let window = json!({"slidingWindow": {"requests": 1_000, "windowMs": 1_000}});
    let key = |name: &str, more: &serde_json::Value| {
        let slot = Slot::new(&slot(&[(name, policy(&[limit(more)], &json!({})))], &json!({})));
        slot.key_of(&["a"]).unwrap()
    };
    let own = key("default/api", &json!({}));
    assert_eq!(
        own,
        key(
            "default/api",
            &json!({"quota": {"rate": {"requests": 1, "windowMs": 1, "burst": 1}}})
        )
    );
    assert_ne!(own, key("default/other", &json!({})));
    assert_ne!(own, key("default/api", &json!({"name": "other"})));
    assert_ne!(own, key("default/api", &json!({"quota": window})));
}

#[test]
fn a_limit_below_others_has_their_values_before_its_own() {
    let limits = [
        limit(&json!({"name": "user", "parent": "plan", "key": [{"header": "x-user"}]})),
        limit(&json!({"name": "tenant", "key": [{"header": "x-tenant"}, {"header": "x-region"}]})),
        limit(&json!({"name": "plan", "parent": "tenant", "key": []})),
    ];
    let slot = Slot::with(&limits);
    let request = Request::new()
        .with("x-user", "u")
        .with("x-tenant", "t")
        .with("x-region", "r");
    assert!(slot.passes(&request, NOW));
    let mut stored = slot.world.keys();
    let limits = slot.limiter.policies()[0].limits().iter();
    let mut expected: Vec<_> = limits
        .zip([&["t", "r", "u"][..], &["t", "r"], &["t", "r"]])
        .map(|(limit, values)| {
            let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
            limit.key_of_texts(&values, 0).unwrap()
        })
        .collect();
    stored.sort();
    expected.sort();
    assert_eq!(stored, expected);
}

#[test]
fn a_reset_makes_every_key_another_one() {
    let mut slot = Slot::of(&json!({"quota": {"rate": {"requests": 2, "windowMs": 3_600_000, "burst": 2}}}));
    let request = Request::new().with("x-user", "a");
    let before = slot.key_of(&["a"]);
    assert_eq!(slot.count(&request, NOW), 2);
    let limit = slot.limiter.policies()[0].limits()[0].id();
    slot.board.reset(limit);
    assert_ne!(slot.key_of(&["a"]), before);
    assert_eq!(slot.key(&request), slot.key_of(&["a"]));
    assert_eq!(slot.count(&request, NOW), 2);
}

#[test]
fn one_key_is_forgotten_and_no_other() {
    let slot = Slot::of(&json!({"quota": {"rate": {"requests": 2, "windowMs": 3_600_000, "burst": 2}}}));
    let (one, other) = (
        Request::new().with("x-user", "a"),
        Request::new().with("x-user", "b"),
    );
    assert_eq!((slot.count(&one, NOW), slot.count(&other, NOW)), (2, 2));
    slot.limiter
        .forget(slot.key_of(&["a"]).unwrap(), &slot.world, NOW)
        .unwrap();
    assert_eq!((slot.count(&one, NOW), slot.count(&other, NOW)), (2, 0));
    // A key that was never seen takes no place.
    let buckets = slot.world.buckets();
    slot.limiter
        .forget(slot.key_of(&["c"]).unwrap(), &slot.world, NOW)
        .unwrap();
    assert_eq!(slot.world.buckets(), buckets);
}
