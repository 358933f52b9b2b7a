//! Whatever stands in shared data, nothing breaks.

use proptest::collection::vec;
use proptest::prelude::*;
use weir_cache_store::purge::{Purgeable, Purges};
use weir_cache_store::{Claim, Found, Key, Kind};
use weir_policy::proxy::{CachePurge, EventPage, Notice, ProxyEvent, Purged};

use crate::world::World;
use crate::{NOW, fill, object, put, worker};

/// Any bytes, and such as begin as they should.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let arena = (0..130_usize, vec(any::<u8>(), 40)).prop_map(|(records, record)| {
        let header = [b"weirare1".as_slice(), &[7; 8], &[200], &[0x3a; 514]].concat();
        [header, record.repeat(records)].concat()
    });
    let board = vec(any::<u8>(), 0..200).prop_map(|bytes| [b"weirprg1".as_slice(), &bytes].concat());
    prop_oneof![vec(any::<u8>(), 0..200), arena, board]
}

proptest! {
    #[test]
    fn any_bytes_under_any_key_break_nothing(values in vec((any::<prop::sample::Index>(), bytes()), 1..8)) {
        let (world, one, purges) = (World::default(), worker(1), Purges::new("slot"));
        for text in [b"a", b"b", b"c"] {
            put(&one, &world, &Key::new(text), Kind::Object, text);
        }
        purges.apply(&world, &page(1)).unwrap();
        let mut keys = world.keys();
        keys.sort();
        for (at, bytes) in values {
            world.put(at.get::<Vec<u8>>(&keys), &bytes);
        }
        let other = worker(2);
        for text in [b"a", b"b", b"c"] {
            let key = Key::new(text);
            let found = other.look_up(&world, &key, NOW).unwrap();
            if let Found::Object(object) = found {
                prop_assert_eq!(&**object.content, text);
            }
            if let Claim::Leader(token) = other.claim(&world, &key, &fill(NOW, None)).unwrap() {
                other.store(&world, token, &key, Kind::Object, b"new", NOW).unwrap();
            }
            other.follow(&world, &key, NOW).unwrap();
            other.invalidate(&world, &key).unwrap();
            prop_assert_eq!(object(&one, &world, &key), None);
        }
        let object = Purgeable { revision: 0, policy: "p", url: b"u", tags: [b"t".as_slice()] };
        Purges::new("slot").verdict(&world, object, &Default::default(), NOW).unwrap();
        Purges::new("slot").apply(&world, &page(2)).unwrap();
    }
}

fn page(revision: u64) -> EventPage {
    let purge = CachePurge {
        policy: None,
        soft: false,
        what: Purged::Tags(vec!["t".to_owned()]),
    };
    EventPage {
        cursor: revision,
        reset: false,
        events: vec![ProxyEvent::new(revision, Notice::CachePurge(purge))],
    }
}

#[test]
fn bytes_that_are_no_arena_are_an_empty_one() {
    for bytes in [b"".as_slice(), b"weirare1", &[0; 531], &[0; 571]] {
        let (world, one) = (World::default(), worker(1));
        let key = Key::new(b"a");
        put(&one, &world, &key, Kind::Object, b"body");
        let arena = world.keys().into_iter().find(|key| key.len() == 12).unwrap();
        world.put(&arena, bytes);
        assert_eq!(object(&one, &world, &key), None);
        put(&one, &world, &key, Kind::Object, b"body");
        assert!(object(&one, &world, &key).is_some());
    }
}

#[test]
fn totals_that_are_lost_are_counted_anew() {
    let (world, one) = (World::default(), worker(1));
    for text in [b"a", b"b", b"c"] {
        put(&one, &world, &Key::new(text), Kind::Object, text);
    }
    let before = one.totals(&world).unwrap();
    let totals = world.keys().into_iter().find(|key| key.len() == 8).unwrap();
    world.put(&totals, b"");
    assert_eq!(one.totals(&world).unwrap(), before);
    one.invalidate(&world, &Key::new(b"a")).unwrap();
    assert_eq!(one.totals(&world).unwrap().objects, 2);
}
