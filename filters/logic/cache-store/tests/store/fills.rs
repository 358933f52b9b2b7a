//! Fills: one worker fetches, the others wait.

use weir_cache_store::{Claim, Ended, Found, Key, Kind, LONGEST_HIT_FOR_MISS_MS, LONGEST_LEASE_MS, Stored};

use crate::world::World;
use crate::{NOW, fill, lead, object, put, worker};

const ENDED: Ended = Ended {
    was: true,
    wake_others: false,
};

#[test]
fn one_leads_and_the_others_follow_until_it_is_stored() {
    let (world, one, other) = (World::default(), worker(1), worker(2));
    let key = Key::new(b"a");
    let token = lead(&one, &world, &key);
    assert_eq!(token.revision(), 7);
    for (store, here) in [(&one, true), (&other, false)] {
        let until_ms = NOW + 10_000;
        let claim = store.claim(&world, &key, &fill(NOW, None)).unwrap();
        assert_eq!(claim, Claim::Follow { here, until_ms });
        let found = store.look_up(&world, &key, NOW).unwrap();
        assert!(
            matches!(found, Found::Filling(filling) if filling.here == here && filling.until_ms == until_ms)
        );
    }
    assert!(other.follow(&world, &key, NOW).unwrap());
    let stored = one
        .store(&world, token.clone(), &key, Kind::Object, b"body", NOW)
        .unwrap();
    assert!(matches!(
        stored,
        Stored::Stored {
            wake_others: true,
            evicted: 0,
            ..
        }
    ));
    assert!(!other.follow(&world, &key, NOW).unwrap());
    // A token is good for one object.
    assert_eq!(
        one.store(&world, token, &key, Kind::Object, b"again", NOW)
            .unwrap(),
        Stored::Fenced
    );
    assert_eq!(object(&other, &world, &key).unwrap().0, b"body");
}

#[test]
fn a_claim_is_for_what_was_seen() {
    let (world, one) = (World::default(), worker(1));
    let key = Key::new(b"a");
    let changed = |seen| one.claim(&world, &key, &fill(NOW, seen)).unwrap() == Claim::Changed;
    assert!(changed(Some(1)));
    let stamp = put(&one, &world, &key, Kind::Object, b"body");
    assert!(changed(None));
    assert!(changed(Some(stamp + 1)));
    assert!(!changed(Some(stamp)));
}

#[test]
fn a_fill_that_is_abandoned_leaves_what_was_stored() {
    let (world, one, other) = (World::default(), worker(1), worker(2));
    let key = Key::new(b"a");
    let token = lead(&one, &world, &key);
    assert_eq!(one.abandon(&world, token.clone()).unwrap(), ENDED);
    assert_eq!(one.abandon(&world, token).unwrap(), Ended::default());
    let stamp = put(&one, &world, &key, Kind::Object, b"body");
    let Claim::Leader(token) = one.claim(&world, &key, &fill(NOW, Some(stamp))).unwrap() else {
        panic!("no leader");
    };
    assert!(matches!(
        other.claim(&world, &key, &fill(NOW, Some(stamp))).unwrap(),
        Claim::Follow { here: false, .. }
    ));
    let Found::Object(found) = other.look_up(&world, &key, NOW).unwrap() else {
        panic!("no object");
    };
    assert!(found.refreshing.is_some());
    one.abandon(&world, token).unwrap();
    assert_eq!(object(&other, &world, &key), Some((b"body".to_vec(), stamp)));
}

#[test]
fn an_invalidation_ends_what_is_stored_and_what_is_fetched() {
    let (world, one, other) = (World::default(), worker(1), worker(2));
    let key = Key::new(b"a");
    assert_eq!(other.invalidate(&world, &key).unwrap(), Ended::default());
    let token = lead(&one, &world, &key);
    other.follow(&world, &key, NOW).unwrap();
    let ended = other.invalidate(&world, &key).unwrap();
    assert_eq!(
        ended,
        Ended {
            was: true,
            wake_others: true
        }
    );
    let newer = lead(&other, &world, &key);
    assert_eq!(
        one.store(&world, token, &key, Kind::Object, b"old", NOW).unwrap(),
        Stored::Fenced
    );
    assert_eq!(world.object_bytes(), 0);
    other
        .store(&world, newer, &key, Kind::Object, b"new", NOW)
        .unwrap();
    assert_eq!(object(&one, &world, &key).unwrap().0, b"new");
    other.invalidate(&world, &key).unwrap();
    assert_eq!(object(&one, &world, &key), None);
    assert_eq!(world.object_bytes(), 0);
    assert_eq!(one.totals(&world).unwrap().objects, 0);
}

#[test]
fn a_lease_ends_and_whoever_takes_over_wakes_those_who_wait() {
    let (world, one, other) = (World::default(), worker(1), worker(2));
    let key = Key::new(b"a");
    let late = lead(&one, &world, &key);
    other.follow(&world, &key, NOW).unwrap();
    let then = NOW + 10_000;
    assert!(matches!(
        other.look_up(&world, &key, then).unwrap(),
        Found::Nothing
    ));
    let Claim::Leader(token) = other.claim(&world, &key, &fill(then, None)).unwrap() else {
        panic!("no leader");
    };
    assert_eq!(
        one.store(&world, late, &key, Kind::Object, b"late", then)
            .unwrap(),
        Stored::Fenced
    );
    let stored = other
        .store(&world, token, &key, Kind::Object, b"body", then)
        .unwrap();
    assert!(matches!(
        stored,
        Stored::Stored {
            wake_others: true,
            ..
        }
    ));
}

#[test]
fn a_late_leader_may_store_while_nobody_took_over() {
    let (world, one) = (World::default(), worker(1));
    let key = Key::new(b"a");
    let late = lead(&one, &world, &key);
    let stored = one
        .store(&world, late, &key, Kind::Object, b"late", NOW + 60_000)
        .unwrap();
    assert!(matches!(stored, Stored::Stored { .. }));
}

#[test]
fn a_deadline_further_away_than_any_lease_is_void() {
    let (world, one, other) = (World::default(), worker(1), worker(2));
    let key = Key::new(b"a");
    let _token = lead(&one, &world, &key);
    let back = NOW + 10_000 - LONGEST_LEASE_MS;
    let follow = other.claim(&world, &key, &fill(back, None)).unwrap();
    assert!(matches!(follow, Claim::Follow { .. }));
    let leader = other.claim(&world, &key, &fill(back - 1, None)).unwrap();
    assert!(matches!(leader, Claim::Leader(_)));
}

#[test]
fn an_answer_that_cannot_be_stored_is_remembered_until_one_can() {
    let (world, one, other) = (World::default(), worker(1), worker(2));
    let key = Key::new(b"a");
    let token = lead(&one, &world, &key);
    other.follow(&world, &key, NOW).unwrap();
    let ended = one.hit_for_miss(&world, token, NOW, NOW + 5_000).unwrap();
    assert!(ended.wake_others);
    let found = other.look_up(&world, &key, NOW).unwrap();
    assert!(matches!(found, Found::HitForMiss { until_ms } if until_ms == NOW + 5_000));
    let tokens: Vec<_> = [&one, &other, &one]
        .map(|store| hit_for_miss(store, &world, &key))
        .into();
    let [first, second, third] = tokens.try_into().unwrap();
    assert_eq!(other.abandon(&world, third).unwrap(), ENDED);
    assert!(matches!(
        other
            .store(&world, second, &key, Kind::Object, b"body", NOW)
            .unwrap(),
        Stored::Stored { .. }
    ));
    assert_eq!(
        one.store(&world, first, &key, Kind::Object, b"late", NOW)
            .unwrap(),
        Stored::Fenced
    );
    assert_eq!(object(&one, &world, &key).unwrap().0, b"body");
}

fn hit_for_miss(
    store: &weir_cache_store::Store,
    world: &World<'_>,
    key: &Key<'_>,
) -> weir_cache_store::FillToken {
    match store.claim(world, key, &fill(NOW, None)).unwrap() {
        Claim::HitForMiss(token) => token,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_invalidation_ends_fills_that_need_not_wait_for_each_other_too() {
    let (world, one) = (World::default(), worker(1));
    let key = Key::new(b"a");
    let token = lead(&one, &world, &key);
    one.hit_for_miss(&world, token, NOW, u64::MAX).unwrap();
    let old = hit_for_miss(&one, &world, &key);
    one.invalidate(&world, &key).unwrap();
    assert_eq!(
        one.store(&world, old, &key, Kind::Object, b"old", NOW).unwrap(),
        Stored::Fenced
    );
    let token = lead(&one, &world, &key);
    one.hit_for_miss(&world, token, NOW, u64::MAX).unwrap();
    let end = NOW + LONGEST_HIT_FOR_MISS_MS;
    assert!(matches!(one.look_up(&world, &key, end).unwrap(), Found::Nothing));
}

#[test]
fn an_answer_that_cannot_be_stored_drops_what_was() {
    let (world, one) = (World::default(), worker(1));
    let key = Key::new(b"a");
    let stamp = put(&one, &world, &key, Kind::Object, b"body");
    let Claim::Leader(token) = one.claim(&world, &key, &fill(NOW, Some(stamp))).unwrap() else {
        panic!("no leader");
    };
    one.hit_for_miss(&world, token, NOW, NOW + 5_000).unwrap();
    assert!(matches!(
        one.look_up(&world, &key, NOW).unwrap(),
        Found::HitForMiss { .. }
    ));
    assert_eq!(world.object_bytes(), 0);
}

#[test]
fn with_everything_being_fetched_there_is_no_room_until_something_ends() {
    let (world, one) = (World::default(), worker(1));
    let texts: Vec<_> = (0..1_000_u32).map(u32::to_le_bytes).collect();
    let claims: Vec<_> = texts
        .iter()
        .map(|text| one.claim(&world, &Key::new(text), &fill(NOW, None)).unwrap())
        .collect();
    let led = claims
        .iter()
        .filter(|claim| matches!(claim, Claim::Leader(_)))
        .count();
    let none = claims.iter().filter(|claim| **claim == Claim::NoRoom).count();
    assert_eq!((led, none), (256, 744));
    let later = fill(NOW + 10_000, None);
    let claim = one.claim(&world, &Key::new(b"a"), &later).unwrap();
    assert!(matches!(claim, Claim::Leader(_)));
    assert!(world.keys().len() as u64 <= one.layout().shared_keys());
}
