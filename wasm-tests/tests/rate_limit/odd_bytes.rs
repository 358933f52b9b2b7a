//! Whatever stands in shared data: no trap, and the filter goes on.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::fixture::{Limited, SLOT, VM, Verdict, by_user, rate, slot, user, with};

/// Everything in one bucket.
fn one_bucket(mut configuration: Value) -> Value {
    configuration["policies"]["default/api"]["maxKeys"] = 1.into();
    configuration
}

fn fleet() -> Value {
    let limit = with(by_user(rate(100, 1_000, 5)), "fleet", json!({"proxies": 1}));
    with(slot(&[limit]), "control", json!({"cluster": "weir-control"}))
}

/// The keys of values that are not the worker table or the leader's lease.
fn own_keys(limited: &Limited) -> Vec<String> {
    let keys = limited.process.shared_keys(VM).into_iter();
    keys.filter(|key| !key.ends_with("/workers")).collect()
}

/// Odd bytes: any, or those of a real value with some changed.
fn odd() -> impl Strategy<Value = (Vec<u8>, Vec<(usize, u8)>, usize)> {
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8);
    let changes = changes.prop_map(|changes| {
        changes
            .into_iter()
            .map(|(at, byte)| (at.index(4_096), byte))
            .collect()
    });
    (prop::collection::vec(any::<u8>(), 0..200), changes, 0..3_usize)
}

fn spoil(value: Vec<u8>, (any, changes, how): &(Vec<u8>, Vec<(usize, u8)>, usize)) -> Vec<u8> {
    match how {
        0 => any.clone(),
        1 => value.into_iter().chain(any.iter().copied()).collect(),
        _ => {
            let mut value = value;
            let length = value.len().max(1);
            for (at, byte) in changes {
                if let Some(place) = value.get_mut(at % length) {
                    *place = *byte;
                }
            }
            value
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn odd_bytes_anywhere_trap_nothing(odd in odd()) {
        for configuration in [one_bucket(slot(&[by_user(rate(100, 1_000, 5))])), one_bucket(fleet())] {
            let limited = Limited::on(2, &configuration);
            limited.advance(300);
            limited.drain(&user("alice"));
            for key in own_keys(&limited) {
                let value = limited.process.shared_data(VM, &key).unwrap_or_default();
                limited.process.set_shared_data(VM, &key, spoil(value, &odd));
            }
            for _ in 0..3 {
                limited.advance(200);
                for worker in [0, 1] {
                    limited.ask(worker, &user("alice"));
                }
            }
            prop_assert!(limited.process.traps().is_empty());
        }
    }
}

#[test]
fn a_bucket_that_is_none_is_an_empty_one() {
    let limited = Limited::on(1, &one_bucket(slot(&[by_user(rate(1, 3_600_000, 5))])));
    assert_eq!(limited.drain(&user("alice")), 5);
    let bucket = own_keys(&limited);
    let [bucket] = bucket.as_slice() else {
        panic!("{bucket:?}");
    };
    // `shared_keys` replaces what is not UTF-8, so this spoils the value only if the key came through.
    if limited.process.shared_data(VM, bucket).is_some() {
        limited.process.set_shared_data(VM, bucket, *b"no bucket");
        assert_eq!(limited.drain(&user("alice")), 5);
    }
    assert_eq!(limited.ask(0, &user("alice")), Verdict::Limited);
}

#[test]
fn a_board_that_is_none_is_written_anew() {
    let limited = Limited::on(2, &fleet());
    limited
        .process
        .set_shared_data(VM, &format!("{SLOT}/board"), *b"weirbrd1 and no more");
    limited
        .process
        .set_shared_data(VM, &format!("{SLOT}/demand"), *b"weirdem1 and no more");
    limited.advance(500);
    assert_eq!(limited.drain(&user("alice")), 5);
    let board = limited.process.shared_data(VM, &format!("{SLOT}/board")).unwrap();
    assert_ne!(board, b"weirbrd1 and no more");
}
