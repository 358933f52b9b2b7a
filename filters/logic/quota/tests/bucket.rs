//! Bucket tables: a map as their model, and any bytes.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::collections::HashMap;

use proptest::prelude::*;
use weir_quota::bucket::{Bucket, LIMIT_BITS, Layout, MAX_ENTRIES};
use weir_quota::cell::State;

#[derive(Clone, Debug)]
enum Op {
    Put(u64, State),
    Remove(u64),
    Sweep,
    Reload,
    Wait(u64),
}

/// The `number`-th key of a limit; what is not the limit's stands on both sides of its bits.
fn key_of(limit: u64, number: u64) -> u64 {
    (number << 44) | (limit << 32) | number
}

/// One of 32 keys of four limits, most of them of the first.
fn keys() -> impl Iterator<Item = u64> {
    [16, 8, 6, 2]
        .into_iter()
        .zip(0..)
        .flat_map(|(keys, limit)| (0..keys).map(move |number| key_of(limit, number)))
}

fn key() -> impl Strategy<Value = u64> {
    prop::sample::select(keys().collect::<Vec<_>>())
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let state = (0_u64..100, any::<u64>()).prop_map(|(expires, word)| State { expires, word });
    let op = prop_oneof![
        8 => (key(), state).prop_map(|(key, state)| Op::Put(key, state)),
        2 => key().prop_map(Op::Remove),
        1 => Just(Op::Sweep),
        1 => Just(Op::Reload),
        1 => (0_u64..20).prop_map(Op::Wait),
    ];
    prop::collection::vec(op, 1..120)
}

/// Of which limit an entry has to go for `new`, and when the first of that limit expires: of the limits with the most
/// keys, `new` among them, that of `new`, or else any.
fn first(model: &HashMap<u64, State>, new: u64) -> Vec<(u64, u64)> {
    let mut limits: HashMap<u64, Vec<u64>> = HashMap::new();
    for (key, state) in model {
        limits.entry(key & LIMIT_BITS).or_default().push(state.expires);
    }
    let size = |limit: u64, known: &[u64]| known.len() + usize::from(limit == new & LIMIT_BITS);
    let most = limits.iter().map(|(limit, known)| size(*limit, known)).max();
    limits.retain(|limit, known| Some(size(*limit, known)) == most);
    if let Some(own) = limits.remove_entry(&(new & LIMIT_BITS)) {
        limits = HashMap::from([own]);
    }
    let first = |(limit, known): (u64, Vec<u64>)| (limit, known.into_iter().min().unwrap());
    limits.into_iter().map(first).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// The same answers as a map's, less what the bucket says it dropped: expired entries, and of a bucket full of live
    /// ones the first to expire of the limit that has the most, never another.
    #[test]
    fn a_bucket_is_a_map(ops in ops()) {
        let (mut bucket, mut model, mut now) = (Bucket::default(), HashMap::new(), 0);
        for op in ops {
            match op {
                Op::Put(key, state) => {
                    let new = !model.contains_key(&key);
                    let put = bucket.put(key, state, now);
                    prop_assert!(new || (put.expired == 0 && put.evicted.is_none()));
                    if put.expired > 0 {
                        prop_assert_eq!(model.len(), MAX_ENTRIES);
                        let before = model.len();
                        model.retain(|_, state: &mut State| state.expires > now);
                        prop_assert_eq!(before - model.len(), put.expired);
                    }
                    if let Some((evicted, state)) = put.evicted {
                        prop_assert_eq!(model.len(), MAX_ENTRIES);
                        let first = first(&model, key);
                        prop_assert!(first.contains(&(evicted & LIMIT_BITS, state.expires)), "{:?}", first);
                        let earliest = first.iter().map(|(_, expires)| *expires).min();
                        prop_assert_eq!(Some(state.expires), earliest);
                        prop_assert!(state.expires > now);
                        prop_assert_eq!(model.remove(&evicted), Some(state));
                    }
                    model.insert(key, state);
                }
                Op::Remove(key) => prop_assert_eq!(bucket.remove(key), model.remove(&key)),
                Op::Sweep => {
                    let before = model.len();
                    model.retain(|_, state| state.expires > now);
                    prop_assert_eq!(bucket.sweep(now), before - model.len());
                }
                Op::Reload => bucket = Bucket::parse(bucket.as_bytes().to_vec()),
                Op::Wait(wait) => now += wait,
            }
            for key in keys() {
                prop_assert_eq!(bucket.get(key), model.get(&key).copied());
            }
            let live = model.values().filter(|state| state.expires > now).count();
            prop_assert_eq!(bucket.live(now), live);
            prop_assert!(bucket.as_bytes().len() <= MAX_ENTRIES * 24);
        }
    }

    /// Whoever chooses the keys of some limits, however many, pushes no key of another limit out while that one has no
    /// more of the bucket than its even part.
    #[test]
    fn a_limit_keeps_its_part_of_a_bucket(
        others in 1_u64..16,
        expires in prop::collection::vec(1_u64..100, 16),
        chosen in prop::collection::vec((any::<u64>(), any::<u64>(), 1_u64..100), 0..200),
        at in any::<prop::sample::Index>(),
    ) {
        let mut bucket = Bucket::default();
        let part = MAX_ENTRIES / (usize::try_from(others).unwrap() + 1);
        let kept: Vec<_> = (0..).zip(expires).take(part).collect();
        let mut puts: Vec<_> = chosen
            .into_iter()
            .map(|(limit, number, expires)| (key_of(1 + limit % others, number % (1 << 20)), expires))
            .collect();
        // All at one time, before, amid or after the others.
        let at = at.index(puts.len() + 1);
        puts.splice(at..at, kept.iter().map(|(number, expires)| (key_of(0, *number), *expires)));
        for (key, expires) in puts {
            bucket.put(key, State { expires, word: key }, 0);
        }
        for (number, expires) in kept {
            let key = key_of(0, number);
            prop_assert_eq!(bucket.get(key), Some(State { expires, word: key }));
        }
    }

    /// Any bytes are a bucket: whole entries read back, everything else is empty; and every operation goes on working.
    #[test]
    fn any_bytes_are_a_bucket(bytes in prop::collection::vec(any::<u8>(), 0..500), key: u64, now: u64) {
        let mut bucket = Bucket::parse(bytes.clone());
        let whole = bytes.len().is_multiple_of(24) && bytes.len() <= MAX_ENTRIES * 24;
        prop_assert_eq!(bucket.as_bytes(), if whole { bytes } else { Vec::new() });
        let state = State { expires: now, word: 1 };
        bucket.put(key, state, now);
        prop_assert_eq!(bucket.get(key), Some(state));
        prop_assert_eq!(bucket.remove(key), Some(state));
        bucket.sweep(now);
        prop_assert!(bucket.as_bytes().len() <= MAX_ENTRIES * 24);
    }
}

#[test]
fn an_entry_is_24_bytes_little_endian() {
    let mut bucket = Bucket::default();
    bucket.put(
        0x0102,
        State {
            expires: 0x0304,
            word: 0x0506,
        },
        0,
    );
    let mut expected = [0; 24];
    (expected[0], expected[1], expected[8]) = (2, 1, 4);
    (expected[9], expected[16], expected[17]) = (3, 6, 5);
    assert_eq!(bucket.as_bytes(), expected);
}

/// SplitMix64 (Steele, Lea, Flood, 2014).
fn fingerprints(seed: u64) -> impl Iterator<Item = u64> {
    (1_u64..).map(move |step| {
        let mut z = seed.wrapping_add(step.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

#[test]
fn a_hundred_thousand_keys_fit() {
    let layout = Layout::for_keys(100_000);
    for seed in 0..3 {
        let mut table = vec![Bucket::default(); layout.buckets() as usize];
        for key in fingerprints(seed).take(100_000) {
            let put = table[layout.bucket_of(key) as usize].put(
                key,
                State {
                    expires: 9,
                    word: key,
                },
                0,
            );
            assert_eq!(put.evicted, None);
        }
        let bytes: usize = table.iter().map(|bucket| bucket.as_bytes().len()).sum();
        assert!(bytes <= 8 << 20, "{bytes}");
        for key in fingerprints(seed).take(100_000) {
            assert_eq!(table[layout.bucket_of(key) as usize].get(key).unwrap().word, key);
        }
    }
}

#[test]
fn a_layout_has_four_keys_to_a_bucket_but_2_to_the_20_buckets_at_most() {
    for (keys, buckets) in [
        (0, 1),
        (1, 1),
        (4, 1),
        (5, 2),
        (100_000, 32_768),
        (1_000_000, 1 << 18),
        (u32::MAX, 1 << 20),
    ] {
        let layout = Layout::for_keys(keys);
        assert_eq!(layout.buckets(), buckets);
        assert_eq!(layout.bucket_of(0), 0);
        assert_eq!(layout.bucket_of(u64::MAX), buckets - 1);
        assert_eq!(layout.bucket_of(LIMIT_BITS), 0, "a limit has keys in all buckets");
    }
}
