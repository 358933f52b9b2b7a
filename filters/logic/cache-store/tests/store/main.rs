//! The store, as filters use it: several workers over what they share.

#![cfg(test)]

mod contention;
mod fills;
mod garbage;
mod hit_rate;
mod model;
mod objects;
mod purge;
mod traces;
mod world;

use weir_cache_store::{Claim, Fill, FillToken, Found, Key, Kind, Layout, Store, Stored};
use world::World;

pub(crate) const NOW: u64 = 1_800_000_000_000;

pub(crate) const fn layout() -> Layout {
    Layout::new(1 << 20, 100)
}

pub(crate) fn worker(number: u32) -> Store {
    Store::new("slot", layout(), number, 1 << 16)
}

pub(crate) fn fill(now_ms: u64, seen: Option<u64>) -> Fill {
    Fill {
        now_ms,
        until_ms: now_ms + 10_000,
        revision: 7,
        seen,
    }
}

/// Claims what nothing is stored for.
pub(crate) fn lead(store: &Store, world: &World<'_>, key: &Key<'_>) -> FillToken {
    match store.claim(world, key, &fill(NOW, None)).unwrap() {
        Claim::Leader(token) => token,
        other => panic!("{other:?}"),
    }
}

/// Stores what nothing is stored for, and gives its stamp.
pub(crate) fn put(store: &Store, world: &World<'_>, key: &Key<'_>, kind: Kind, bytes: &[u8]) -> u64 {
    let token = lead(store, world, key);
    match store.store(world, token, key, kind, bytes, NOW).unwrap() {
        Stored::Stored { stamp, .. } => stamp,
        other => panic!("{other:?}"),
    }
}

/// The object that is found, and its stamp.
pub(crate) fn object(store: &Store, world: &World<'_>, key: &Key<'_>) -> Option<(Vec<u8>, u64)> {
    match store.look_up(world, key, NOW).unwrap() {
        Found::Object(object) => Some((object.content.to_vec(), object.stamp)),
        Found::Nothing => None,
        other => panic!("{other:?}"),
    }
}
