//! Another worker is faster, between a read and a write.

use std::rc::Rc;

use weir_cache_store::{Claim, Failed, Key, Kind, Store, Stored};

use crate::world::World;
use crate::{NOW, fill, lead, object, put, worker};

fn workers() -> (World<'static>, Store, Rc<Store>) {
    (World::default(), worker(1), Rc::new(worker(2)))
}

#[test]
fn of_two_claims_at_once_one_leads() {
    let (world, one, other) = workers();
    let key = Key::new(b"a");
    world.before_store(0, move |world| {
        let _token = lead(&other, world, &Key::new(b"a"));
    });
    let claim = one.claim(&world, &key, &fill(NOW, None)).unwrap();
    assert!(matches!(claim, Claim::Follow { here: false, .. }));
}

#[test]
fn whatever_is_in_between_an_invalidation_before_the_end_of_a_store_fences_it() {
    // A store writes: totals, the object, the arena.
    for before in 0..3 {
        let (world, one, other) = workers();
        let key = Key::new(b"a");
        let token = lead(&one, &world, &key);
        world.before_store(before, move |world| {
            other.invalidate(world, &Key::new(b"a")).unwrap();
        });
        let stored = one
            .store(&world, token, &key, Kind::Object, b"body", NOW)
            .unwrap();
        assert_eq!(stored, Stored::Fenced, "before store {before}");
        assert_eq!(object(&one, &world, &key), None);
        assert_eq!((world.object_bytes(), one.totals(&world).unwrap().bytes), (0, 0));
    }
}

#[test]
fn another_key_of_the_same_arena_does_not_get_lost() {
    for before in 0..3 {
        let (world, one, other) = workers();
        let key = |text| Key {
            hash: text as u64,
            text: if text == 1 { b"a" } else { b"b" },
        };
        let token = lead(&one, &world, &key(1));
        world.before_store(before, move |world| {
            put(&other, world, &key(2), Kind::Object, b"of b");
        });
        one.store(&world, token, &key(1), Kind::Object, b"of a", NOW)
            .unwrap();
        let bodies = [1, 2].map(|text| object(&one, &world, &key(text)).unwrap().0);
        assert_eq!(bodies, [b"of a".to_vec(), b"of b".to_vec()]);
        assert_eq!(one.totals(&world).unwrap().objects, 2);
    }
}

#[test]
fn an_invalidation_before_a_use_is_counted_stands() {
    let (world, one, other) = workers();
    let key = Key::new(b"a");
    put(&one, &world, &key, Kind::Object, b"body");
    world.before_store(0, move |world| {
        other.invalidate(world, &Key::new(b"a")).unwrap();
    });
    object(&one, &world, &key);
    assert_eq!(object(&one, &world, &key), None);
}

#[test]
fn a_claim_goes_by_what_is_there_and_not_by_the_last_look() {
    let (world, one, other) = workers();
    let key = Key::new(b"a");
    assert_eq!(object(&one, &world, &key), None);
    put(&other, &world, &key, Kind::Object, b"body");
    assert_eq!(one.claim(&world, &key, &fill(NOW, None)).unwrap(), Claim::Changed);
    assert_eq!(object(&one, &world, &key).unwrap().0, b"body");
    let (_, stamp) = object(&one, &world, &key).unwrap();
    other.invalidate(&world, &key).unwrap();
    // An invalidation never goes by the last look.
    let other_key = Key::new(b"b");
    assert_eq!(object(&one, &world, &other_key), None);
    put(&other, &world, &other_key, Kind::Object, b"body");
    assert!(one.invalidate(&world, &other_key).unwrap().was);
    assert_eq!(
        one.claim(&world, &key, &fill(NOW, Some(stamp))).unwrap(),
        Claim::Changed
    );
}

#[test]
fn one_who_is_always_too_late_gives_up() {
    let (world, one) = (World::default(), worker(1));
    let arena = {
        let _token = lead(&one, &world, &Key::new(b"a"));
        world.keys().into_iter().find(|key| key.len() == 12).unwrap()
    };
    for number in 0..100 {
        let arena = arena.clone();
        world.before_store(number, move |world| world.put(&arena, b""));
    }
    let claim = one.claim(&world, &Key::new(b"a"), &fill(NOW + 60_000, None));
    assert_eq!(claim, Err(Failed));
    assert!(world.calls().1 < 40);
}

#[test]
fn a_host_that_fails_is_said_to_fail_and_nothing_is_lost() {
    let (world, one) = (World::default(), worker(1));
    let key = Key::new(b"a");
    put(&one, &world, &key, Kind::Object, b"body");
    let token = lead(&one, &world, &Key::new(b"b"));
    world.failing.set(true);
    assert!(one.look_up(&world, &key, NOW).is_err());
    assert!(one.claim(&world, &Key::new(b"c"), &fill(NOW, None)).is_err());
    assert!(one.invalidate(&world, &key).is_err());
    assert!(one.abandon(&world, token.clone()).is_err());
    assert!(
        one.store(&world, token, &Key::new(b"b"), Kind::Object, b"", NOW)
            .is_err()
    );
    world.failing.set(false);
    assert_eq!(object(&one, &world, &key).unwrap().0, b"body");
    assert_eq!(one.totals(&world).unwrap().objects, 1);
}
