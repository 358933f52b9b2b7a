//! Objects: stored by one worker, served by all.

use weir_cache_store::{Found, Key, Kind, Layout, Store, Stored, Tier};

use crate::world::World;
use crate::{NOW, lead, object, put, worker};

fn clear(store: &Store, world: &World<'_>) {
    for arena in 0..store.layout().arenas() {
        store.clear(world, arena).unwrap();
    }
}

#[test]
fn what_one_worker_stores_another_serves() {
    let (world, one, other) = (World::default(), worker(1), worker(2));
    let key = Key::new(b"a");
    put(&one, &world, &key, Kind::Object, b"body");
    assert_eq!(object(&other, &world, &key).unwrap().0, b"body");
    assert_eq!(object(&one, &world, &key).unwrap().0, b"body");
    assert_eq!(object(&one, &world, &Key::new(b"b")), None);
}

#[test]
fn a_hit_reads_no_bytes_with_a_copy_of_an_unchanged_arena_and_writes_only_while_uses_count() {
    let (world, one) = (World::default(), worker(1));
    let key = Key::new(b"a");
    put(&one, &world, &key, Kind::Object, b"body");
    world.calls();
    let costs: Vec<_> = (0..4)
        .map(|_| {
            object(&one, &world, &key).unwrap();
            world.calls()
        })
        .collect();
    assert_eq!(costs, [(2, 2), (2, 2), (2, 0), (1, 0)]);
    world.loaded_bytes();
    object(&one, &world, &key).unwrap();
    assert_eq!(world.loaded_bytes(), 0);
}

#[test]
fn a_copy_of_an_unchanged_arena_goes_with_the_first_change() {
    let settled = || {
        let (world, one, other) = (World::default(), worker(1), worker(2));
        let stamp = put(&one, &world, &Key::new(b"a"), Kind::Object, b"old");
        for store in [&one, &other].into_iter().cycle().take(12) {
            assert_eq!(object(store, &world, &Key::new(b"a")).unwrap().0, b"old");
        }
        (world, one, other, stamp)
    };
    let key = Key::new(b"a");
    let (world, one, other, _) = settled();
    one.invalidate(&world, &key).unwrap();
    assert_eq!(object(&other, &world, &key), None);
    let (world, one, other, stamp) = settled();
    let claim = one.claim(&world, &key, &crate::fill(NOW, Some(stamp))).unwrap();
    let Found::Object(found) = other.look_up(&world, &key, NOW).unwrap() else {
        panic!("no object");
    };
    assert!(found.refreshing.is_some());
    let weir_cache_store::Claim::Leader(token) = claim else {
        panic!("{claim:?}");
    };
    one.store(&world, token, &key, Kind::Object, b"new", NOW).unwrap();
    assert_eq!(object(&other, &world, &key).unwrap().0, b"new");
    let (world, one, other, _) = settled();
    clear(&one, &world);
    assert_eq!(object(&other, &world, &key), None);
}

#[test]
fn copies_go_that_a_worker_has_no_room_for_any_more() {
    let (world, one) = (World::default(), worker(1));
    let tier = |key: &Key<'_>| match one.look_up(&world, key, NOW).unwrap() {
        Found::Object(object) => object.tier,
        other => panic!("{other:?}"),
    };
    let keys = ["a", "b"].map(|key| Key::new(key.as_bytes()));
    for key in &keys {
        put(&one, &world, key, Kind::Object, &[7; 1_000]);
        assert_eq!((tier(key), tier(key)), (Tier::Shared, Tier::Own));
    }
    one.limit_own(1_500);
    let [first, last] = &keys;
    assert_eq!((tier(last), tier(first)), (Tier::Own, Tier::Shared));
    one.limit_own(0);
    assert_eq!((tier(last), tier(last)), (Tier::Shared, Tier::Shared));
}

#[test]
fn of_objects_that_take_a_little_more_than_a_workers_memory_most_have_a_copy() {
    let (world, one) = (World::default(), worker(1));
    let keys = ["a", "b", "c", "d", "e", "f", "g", "h"].map(|key| Key::new(key.as_bytes()));
    for key in &keys {
        put(&one, &world, key, Kind::Object, &[b'x'; 9_000]);
    }
    let tier = |key| match one.look_up(&world, key, NOW).unwrap() {
        Found::Object(found) => found.tier,
        other => panic!("{other:?}"),
    };
    let rounds = (0..40).flat_map(|_| &keys).map(tier);
    let own = rounds.filter(|tier| *tier == Tier::Own).count();
    assert!(own > 40 * keys.len() / 2, "{own}");
}

#[test]
fn a_miss_reads_once_and_writes_once() {
    let (world, one) = (World::default(), worker(1));
    let key = Key::new(b"a");
    assert_eq!(object(&one, &world, &key), None);
    let _token = lead(&one, &world, &key);
    assert_eq!(world.calls(), (1, 2));
}

#[test]
fn what_is_stored_anew_replaces_every_workers_copy() {
    let (world, one, other) = (World::default(), worker(1), worker(2));
    let key = Key::new(b"a");
    let stamp = put(&one, &world, &key, Kind::Object, b"old");
    object(&other, &world, &key).unwrap();
    let claim = one.claim(&world, &key, &crate::fill(NOW, Some(stamp))).unwrap();
    let weir_cache_store::Claim::Leader(token) = claim else {
        panic!("{claim:?}");
    };
    // The old one is served meanwhile.
    assert_eq!(object(&other, &world, &key).unwrap().0, b"old");
    one.store(&world, token, &key, Kind::Object, b"new", NOW).unwrap();
    let (body, new) = object(&other, &world, &key).unwrap();
    assert_eq!(body, b"new");
    assert!(new != stamp);
    assert_eq!(one.totals(&world).unwrap().objects, 1);
}

#[test]
fn keys_of_one_hash_never_get_each_others_objects() {
    let (world, one, other) = (World::default(), worker(1), worker(2));
    let key = |text| Key { hash: 5, text };
    put(&one, &world, &key(b"a"), Kind::Object, b"of a");
    assert!(object(&one, &world, &key(b"a")).is_some());
    assert_eq!(object(&one, &world, &key(b"b")), None);
    assert_eq!(object(&other, &world, &key(b"b")), None);
    put(&one, &world, &key(b"b"), Kind::Object, b"of b");
    assert_eq!(object(&other, &world, &key(b"b")).unwrap().0, b"of b");
    assert_eq!(object(&other, &world, &key(b"a")), None);
}

#[test]
fn names_of_vary_are_told_from_objects() {
    let (world, one, other) = (World::default(), worker(1), worker(2));
    let key = Key::new(b"a");
    let stamp = put(&one, &world, &key, Kind::Vary, b"accept");
    let found = other.look_up(&world, &key, NOW).unwrap();
    let Found::Vary(vary) = found else {
        panic!("{found:?}");
    };
    assert_eq!(
        (&**vary.names, vary.stamp, vary.tier),
        (b"accept".as_slice(), stamp, Tier::Shared)
    );
    one.invalidate(&world, &key).unwrap();
    assert!(put(&one, &world, &key, Kind::Vary, b"accept") != stamp);
}

#[test]
fn a_store_keeps_no_more_bytes_and_objects_than_it_may_and_any_object_finds_room() {
    let layout = Layout::new(100_000, 150);
    let (world, store) = (World::default(), Store::new("slot", layout, 1, 0));
    let mut random = fastrand::Rng::with_seed(1);
    for number in 0..2_000_u32 {
        let text = number.to_le_bytes();
        let body = vec![1; random.usize(0..40_000)];
        put(&store, &world, &Key::new(&text), Kind::Object, &body);
        assert_eq!(
            object(&store, &world, &Key::new(&text)).unwrap().0.len(),
            body.len()
        );
        let totals = store.totals(&world).unwrap();
        assert!(totals.bytes <= 100_000, "{totals:?}");
        assert!(world.object_bytes() as u64 <= totals.bytes);
    }
    for number in 0..2_000_u32 {
        let text = (number << 8).to_be_bytes();
        put(&store, &world, &Key::new(&text), Kind::Object, b"");
    }
    let totals = store.totals(&world).unwrap();
    assert!((100..=150).contains(&totals.objects), "{totals:?}");
    assert!(world.keys().len() as u64 <= layout.shared_keys());
}

#[test]
fn what_is_larger_than_the_store_is_refused_and_ends_the_fill() {
    let (world, one, other) = (World::default(), worker(1), worker(2));
    let key = Key::new(b"a");
    let token = lead(&one, &world, &key);
    assert!(other.follow(&world, &key, NOW).unwrap());
    let stored = one.store(&world, token, &key, Kind::Object, &vec![0; 1 << 20], NOW);
    assert_eq!(stored.unwrap(), Stored::TooLarge { wake_others: true });
    let _token = lead(&other, &world, &key);
}

#[test]
fn a_store_that_is_cleared_keeps_nothing() {
    let (world, one, other) = (World::default(), worker(1), worker(2));
    let token = lead(&other, &world, &Key::new(b"b"));
    put(&one, &world, &Key::new(b"a"), Kind::Object, b"body");
    clear(&one, &world);
    assert_eq!(object(&one, &world, &Key::new(b"a")), None);
    assert_eq!(world.object_bytes(), 0);
    assert_eq!(one.totals(&world).unwrap().bytes, 0);
    let stored = other.store(&world, token, &Key::new(b"b"), Kind::Object, b"", NOW);
    assert_eq!(stored.unwrap(), Stored::Fenced);
}
