//! What a consistent hash ring promises, and a naive ring as its oracle.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use weir_shard_map::{Ring, RingError, VIRTUAL_NODES};
use xxhash_rust::xxh3::xxh3_64;

/// Keys per sample; enough for shares, few enough for debug builds.
const KEYS: u32 = 20_000;

type Shards = Vec<(String, u32)>;

fn shards(
    count: std::ops::Range<usize>,
    weights: std::ops::RangeInclusive<u32>,
) -> impl Strategy<Value = Shards> {
    prop::collection::btree_map("[a-z][a-z0-9-]{0,8}", weights, count)
        .prop_map(|map| map.into_iter().collect())
}

fn owner<'s>(ring: &Ring, shards: &'s Shards, key: &[u8]) -> &'s str {
    &shards[ring.owner(key)].0
}

fn keys(seed: u64) -> impl Iterator<Item = Vec<u8>> {
    (0..KEYS).map(move |key| format!("{seed:x}/{key}").into_bytes())
}

/// The definition, word for word: all nodes in a tree, the first at or after the key's hash.
fn naive_owner(shards: &Shards, key: &[u8]) -> String {
    let nodes = shards.iter().flat_map(|(name, weight)| {
        (0..VIRTUAL_NODES * weight).map(move |node| (xxh3_64(format!("{name}#{node}").as_bytes()), name))
    });
    let nodes: BTreeSet<(u64, &String)> = nodes.collect();
    let at_or_after = nodes.iter().find(|(hash, _)| *hash >= xxh3_64(key));
    at_or_after.or(nodes.first()).unwrap().1.clone()
}

/// Six standard deviations of a shard's share: that of its arc (exponential gaps, one per virtual node) and that of
/// the sample of keys.
fn tolerance(share: f64, weight: u32) -> f64 {
    let arc = share * share / f64::from(VIRTUAL_NODES * weight);
    let sample = share / f64::from(KEYS);
    6.0 * (arc + sample).sqrt()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn agrees_with_the_definition(shards in shards(1..6, 1..=3), keys in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..12), 1..20)) {
        let ring = Ring::try_new(&shards).unwrap();
        for key in keys {
            prop_assert_eq!(owner(&ring, &shards, &key), naive_owner(&shards, &key));
        }
    }

    #[test]
    fn a_node_owns_its_own_hash_and_the_end_wraps(shards in shards(1..6, 1..=2)) {
        let ring = Ring::try_new(&shards).unwrap();
        for (name, weight) in &shards {
            for node in 0..VIRTUAL_NODES * weight {
                prop_assert_eq!(owner(&ring, &shards, format!("{name}#{node}").as_bytes()), name);
            }
        }
    }

    #[test]
    fn shares_follow_weights(shards in shards(2..10, 1..=5), seed in any::<u64>()) {
        let ring = Ring::try_new(&shards).unwrap();
        let mut counts = BTreeMap::new();
        for key in keys(seed) {
            *counts.entry(owner(&ring, &shards, &key)).or_insert(0_u32) += 1;
        }
        let total: u32 = shards.iter().map(|(_, weight)| weight).sum();
        for (name, weight) in &shards {
            let expected = f64::from(*weight) / f64::from(total);
            let found = f64::from(counts.get(name.as_str()).copied().unwrap_or(0)) / f64::from(KEYS);
            prop_assert!((found - expected).abs() < tolerance(expected, *weight), "{name}: {found} of {expected}");
        }
    }

    #[test]
    fn a_shard_that_comes_or_goes_moves_its_own_keys_only(shards in shards(2..10, 1..=3), at in any::<prop::sample::Index>(), seed in any::<u64>()) {
        let mut fewer = shards.clone();
        let (moving, weight) = fewer.remove(at.index(shards.len()));
        let (with, without) = (Ring::try_new(&shards).unwrap(), Ring::try_new(&fewer).unwrap());
        let mut moved = 0_u32;
        for key in keys(seed) {
            let (before, after) = (owner(&without, &fewer, &key), owner(&with, &shards, &key));
            if before != after {
                prop_assert_eq!(after, &moving);
                moved += 1;
            }
        }
        let total: u32 = shards.iter().map(|(_, weight)| weight).sum();
        let expected = f64::from(weight) / f64::from(total);
        let found = f64::from(moved) / f64::from(KEYS);
        prop_assert!((found - expected).abs() < tolerance(expected, weight), "{found} of {expected}");
    }

    #[test]
    fn the_order_of_shards_has_no_meaning(ordered in shards(1..8, 1..=3), seed in any::<u64>()) {
        let mut shuffled = ordered.clone();
        shuffled.reverse();
        shuffled.rotate_left(usize::try_from(seed % 8).unwrap() % ordered.len());
        let (one, other) = (Ring::try_new(&ordered).unwrap(), Ring::try_new(&shuffled).unwrap());
        for key in keys(seed).take(500) {
            prop_assert_eq!(owner(&one, &ordered, &key), owner(&other, &shuffled, &key));
        }
    }
}

#[test]
fn shards_that_make_no_ring_are_refused() {
    let check = |shards: &[(&str, u32)], expected: RingError| {
        assert_eq!(Ring::try_new(shards).unwrap_err(), expected);
    };
    let named = |index, name: &str| (index, name.to_owned());
    check(&[], RingError::Empty);
    let (index, name) = named(2, "a");
    check(
        &[("a", 1), ("b", 1), ("a", 2)],
        RingError::DuplicateShard { index, name },
    );
    let (index, name) = named(1, "b");
    check(&[("a", 1), ("b", 0)], RingError::ZeroWeight { index, name });
    check(&[("a", 10_001)], RingError::TotalWeight(10_001));
    check(
        &[("a", u32::MAX), ("b", u32::MAX)],
        RingError::TotalWeight(2 * u64::from(u32::MAX)),
    );
}
