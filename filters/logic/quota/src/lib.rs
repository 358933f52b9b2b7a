//! The arithmetic of quotas: how many units of work a key may ask for, and how many are left.
//!
//! Everything here is a pure function of a state, a time and a cost. The states of all keys stand in a table of small
//! values ([`bucket`]), so that the workers of a proxy can share them by compare-and-swap: read a value, ask a cell, write
//! the value back if the cell says so, and begin again if someone else was faster.
//!
//! - [`cell`] holds the three kinds of limits: [`cell::Gcra`] (a rate with a burst, exact; ITU-T I.371),
//!   [`cell::SlidingWindow`] (the classic approximation by two counters), [`cell::Concurrency`] (requests in flight).
//! - [`share`] runs a GCRA at a part of its rate, so that the processes of a fleet share one limit, and no change of the
//!   parts ever mints a unit.
//! - [`lease`] says who has which part: [`lease::LeaseBook`] is the control plane's side, [`lease::lapsed`] what a process
//!   does without it.
//! - [`tree`] orders limits that have parents.
//!
//! Time is Unix nanoseconds and an argument; a clock that steps back counts as no time passed.
//!
//! Not for: queues and shaping (nothing is delayed here, only refused), nor for fairness among the clients of one key.
//!
//! ```
//! use weir_quota::bucket::{Bucket, Layout};
//! use weir_quota::cell::{Gcra, Rate, Verdict};
//!
//! // Two requests a second, three at once.
//! let rate = Rate::try_new(2, 1_000_000_000, 3).unwrap();
//! let cell = Gcra::local(&rate);
//! let (alice, now) = (0xa11ce, 1_800_000_000_000_000_000);
//! assert!(Layout::for_keys(100_000).bucket_of(alice) < 32_768);
//!
//! let mut bucket = Bucket::parse(Vec::new());
//! for left in [2, 1, 0] {
//!     let (verdict, state) = cell.check(bucket.get(alice), now, 1);
//!     assert_eq!(verdict.remaining(), left);
//!     bucket.put(alice, state.unwrap(), now);
//! }
//! let (verdict, state) = cell.check(bucket.get(alice), now, 1);
//! assert!(matches!(verdict, Verdict::Deny { retry_after_ns: Some(500_000_000), .. }));
//! assert_eq!(state, None);
//! ```

pub mod bucket;
pub mod cell;
pub mod lease;
pub mod share;
pub mod tree;
