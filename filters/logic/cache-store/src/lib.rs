//! Where the edge cache keeps objects: one cache for all workers of a process.
//!
//! Each worker is a VM of its own, and all they share is values by key, with compare-and-swap and without a list of keys
//! ([`SharedValues`]). A [`Store`] makes one cache of that: what one worker stored another serves, what one invalidated no other serves.
//!
//! **Arenas.** A key's hash names an arena: one shared value with the records of up to 128 keys, searched where it stands. A record says
//! what is stored (a stamp that no other object ever has, and in which of the arena's 128 ways it stands) and who fetches it (a ticket,
//! until a deadline). An object is a value of its own. It is written before the arena refers to it, and begins with its stamp and the
//! full text of its key: a reader that finds anything else has a miss, so no hash that two keys have in common gives one the other's
//! answer. A worker keeps what it served last in its own memory as well, and serves that while the arena says the same stamp: one read
//! for a hit. A miss that claims the fill costs that read and one write.
//!
//! **The fence.** Whoever fetches holds a [`FillToken`], and stores only while the record has its ticket. An invalidation removes the
//! record, a worker that takes over an old lease changes the ticket: what was fetched before is refused. Purges fence by revision
//! ([`purge`]).
//!
//! **Room.** The bytes and objects of all arenas are counted in one value. Who stores takes room first; what is over then goes, one
//! object of the own arena, then one of each of the next: a large object takes the place of what is used least in many arenas, not of
//! all that is in one. Stored bytes are never more than the bound and one object for each worker that is storing just then.
//!
//! **What stays.** Within an arena the choice is that of W-TinyLFU (Einziger, Friedman and Manes, 2017) with a CLOCK in place of its
//! lists, since moving an entry on every hit would be a write on every hit. A new object is on trial, as at most one in 16 is, and one
//! more. When one has to go, the object that is longest on trial is compared with the one where the hand stops: the one that was asked for
//! more often stays, by a sketch of 1,024 counters in the arena; half the size counts as once more. A hit writes only while less than two
//! uses are noted since the hand came by: 0.14 writes a request on these traces.
//!
//! Percent of a million requests that are answered, 100,000 keys (`examples/hit_rates.rs`). Zipf: the n-th key in proportion to 1 / n^s.
//! Half once: every other request is for a key that never comes again, the others are Zipf 0.9. Scans: the same, in bursts as long as the
//! cache has objects. Drift: Zipf 0.9 whose most popular keys are other ones ten times. Loop: 1.25 times as many keys as objects, in turn.
//!
//! | objects | | Zipf 0.8 | 0.9 | 1.0 | half once | scans | drift | loop |
//! | --- | --- | --- | --- | --- | --- | --- | --- | --- |
//! | 1,000 | LRU | 20.4 | 34.3 | 50.6 | 13.5 | 12.1 | 34.2 | 0.0 |
//! | | quick_cache | 32.3 | 45.8 | 60.6 | 22.3 | 22.6 | 42.3 | 62.8 |
//! | | this | 32.5 | 45.9 | 60.6 | 22.3 | 22.5 | 42.4 | 72.9 |
//! | 4,000 | LRU | 34.1 | 48.8 | 64.2 | 19.5 | 17.7 | 48.5 | 0.0 |
//! | | quick_cache | 45.0 | 58.3 | 71.5 | 27.4 | 28.1 | 52.4 | 63.6 |
//! | | this | 45.5 | 58.6 | 71.6 | 28.1 | 28.4 | 51.1 | 73.2 |
//! | 16,000 | LRU | 54.6 | 66.9 | 78.3 | 26.5 | 24.2 | 65.9 | 0.0 |
//! | | quick_cache | 61.6 | 72.2 | 81.7 | 32.2 | 33.2 | 67.6 | 64.5 |
//! | | this | 62.0 | 72.4 | 81.8 | 33.9 | 34.5 | 65.4 | 72.4 |
//!
//! SIEVE and S3-FIFO in the same arenas were 0.5 to 1.3 points behind on Zipf. By bytes (8 MiB of objects of 0.4 to 100 KB) this
//! answers 30.2, 44.0 and 59.0 on Zipf (quick_cache 30.6, 44.0, 58.8; LRU 18.9, 32.5, 48.8), but 19.8 with half once (22.0; 12.7).
//! The price of the sketch is drift: what was popular is given up up to 2 points later than by quick_cache.
//!
//! Not for: what must not be lost (anything may go at any time), nor for more objects than [`Layout`] is made for: a key of shared data
//! that was set once costs a few hundred bytes for ever, so their number is fixed by it.
//!
//! ```
//! use weir_cache_store::{Claim, Failed, Fill, Found, Key, Kind, Layout, SharedValues, Store};
//!
//! fn answer(shared: &dyn SharedValues, now_ms: u64) -> Result<(), Failed> {
//!     // 64 MiB in at most 10,000 objects; this is worker 3, which keeps copies of up to 4 MiB.
//!     let store = Store::new("weir/default/edge/edge-cache", Layout::new(64 << 20, 10_000), 3, 4 << 20);
//!     let key = Key::new(b"GET shop.example/products");
//!     if let Found::Nothing = store.look_up(shared, &key, now_ms)? {
//!         let fill = Fill { now_ms, until_ms: now_ms + 5_000, revision: 0, seen: None };
//!         if let Claim::Leader(token) = store.claim(shared, &key, &fill)? {
//!             store.store(shared, token, &key, Kind::Object, b"fetched", now_ms)?;
//!         }
//!     }
//!     Ok(())
//! }
//! ```

mod arena;
mod content;
mod fill;
mod found;
mod key;
mod layout;
mod own;
pub mod purge;
mod shared;
mod store;
mod totals;

pub use content::Content;
pub use fill::{Claim, Ended, Fill, FillToken, Kind, Stored};
pub use found::{Filling, Found, Object, Tier, Vary};
pub use key::Key;
pub use layout::Layout;
pub use shared::{Failed, SharedValues, StoreError};
pub use store::{LONGEST_HIT_FOR_MISS_MS, LONGEST_LEASE_MS, Store};
pub use totals::Totals;
