//! What was asked for.

use std::collections::BTreeMap;

use proptest::prelude::*;
use weir_limiter::{Demand, Fingerprint, LimitId};

/// Units by limit and key.
type Counts = BTreeMap<(u64, u64), u64>;

fn table(adds: &[(u64, u64, u64)]) -> (Demand, Counts) {
    let (mut demand, mut counts) = (Demand::default(), Counts::new());
    for (limit, key, units) in adds {
        demand.add(LimitId(*limit), Fingerprint(*key), *units);
        let count = counts.entry((*limit, *key)).or_default();
        *count = count.saturating_add(*units);
    }
    (demand, counts)
}

fn adds() -> impl Strategy<Value = Vec<(u64, u64, u64)>> {
    let units = prop_oneof![0_u64..9, any::<u64>()];
    proptest::collection::vec((0_u64..3, 0_u64..40, units), 0..100)
}

fn counts(demand: &Demand) -> Counts {
    let of = |limit| demand.of(LimitId(limit));
    (0..3)
        .flat_map(of)
        .map(|entry| ((entry.limit.0, entry.key.0), entry.total))
        .collect()
}

proptest! {
    #[test]
    fn a_table_counts_and_reads_back(one in adds(), other in adds()) {
        let (mut all, expected) = table(&one);
        prop_assert_eq!(counts(&all), expected);
        prop_assert_eq!(all.is_empty(), one.is_empty());
        prop_assert_eq!(Demand::from_bytes(&all.to_bytes()), all.clone());
        let (more, _) = table(&other);
        all.add_all(&more);
        let together: Vec<_> = one.into_iter().chain(other).collect();
        prop_assert_eq!(counts(&all), table(&together).1);
    }

    #[test]
    fn what_came_since_is_a_rate(before in adds(), after in adds(), elapsed in 0_u64..5_000_000_000) {
        let (mut demand, _) = table(&before);
        let then = demand.clone();
        demand.add_all(&table(&after).0);
        let rate = demand.since(&then, elapsed, 1_000_000_000);
        for (limit, key) in counts(&demand).into_keys() {
            let total = |demand: &Demand| demand.total(LimitId(limit), Fingerprint(key));
            let more = u128::from(total(&demand) - total(&then));
            let expected = more * 1_000_000_000 / u128::from(elapsed.max(1));
            prop_assert_eq!(u128::from(total(&rate)), expected.min(u128::from(u64::MAX)));
        }
    }

    #[test]
    fn any_bytes_are_a_table(bytes in proptest::collection::vec(any::<u8>(), 0..200), marked in any::<bool>()) {
        let bytes = if marked { [b"weirdem1".as_slice(), &bytes].concat() } else { bytes };
        let demand = Demand::from_bytes(&bytes);
        prop_assert_eq!(Demand::from_bytes(&demand.to_bytes()), demand.clone());
        prop_assert!(marked || demand.is_empty());
    }
}

#[test]
fn a_table_is_bounded_and_the_coldest_goes() {
    let mut demand = Demand::default();
    for key in 0..10_000 {
        demand.add(LimitId(1), Fingerprint(key), 10_000 - key);
    }
    assert_eq!(demand.of(LimitId(1)).count(), 1_024);
    assert_eq!(demand.to_bytes().len(), 8 + 24 * 1_024);
    assert_eq!(demand.total(LimitId(1), Fingerprint(0)), 10_000);
    assert_eq!(
        demand.total(LimitId(1), Fingerprint(9_999)),
        1,
        "the newest always finds a place"
    );
    assert_eq!(demand.total(LimitId(1), Fingerprint(9_998)), 0);
    // Bytes of more keys are no way around it.
    let entry = |key: u64| [1, key, 1].map(u64::to_le_bytes).concat();
    let bytes: Vec<u8> = b"weirdem1"
        .iter()
        .copied()
        .chain((0..5_000).flat_map(entry))
        .collect();
    assert_eq!(Demand::from_bytes(&bytes).of(LimitId(1)).count(), 1_024);
}
