//! How many second tries may leave.
//!
//! The budget is a bucket of tokens, one for all workers of a process. With P the part of the requests and m the hedges a second
//! that are always allowed, it holds R = 5 s · m tokens, gets m/2 a second, and P for each request. So
//!
//! > over any time of L ≥ 10 s, hedges ≤ P · requests + m · L,
//!
//! for what there is at its start (R ≤ m · L/2) and what comes in (P · requests + m · L/2) is all that can leave. The clock's
//! steps back count as no time passed, so L is the sum of its steps forward.
//!
//! *All that there is* has several places, and the sum over them is never more than R: the balance of the shared record
//! ([`Ledger`]), the free tokens of each worker's [`Purse`], and what is in [`Escrow`] for requests under way whose hedge has
//! not left, or is not known to have. A worker has *room* in the record, for its purse and its escrow together. It spends and
//! deposits within it without asking anyone, and settles with the record twice a second, or when it is out of tokens. All
//! room is taken off what the balance may grow to, so that the bound is exact however the workers come and go, and whichever of
//! them loses a race for the record. What would not fit the room is lost.
//!
//! **A lost worker**'s room, with whatever it held, is given up when nothing was heard of it for [`LAPSE_NS`] (a step of the clock
//! counts as at most a second of that). A worker that was silent for a second asks before it spends, and finds out. The
//! bound could be missed, by the room of that worker, only if the clock stepped back by ten minutes while it slept, to within a
//! second of where it had been.
//!
//! **Too small a minimum** is none: with m = 0 no token can be kept, so nothing leaves. And as an armed request holds a whole token
//! until it ends, no more than R are armed at a time: m should be at least a fifth of the requests under way.

mod ledger;
mod purse;

pub use ledger::{LAPSE_NS, Ledger};
pub use purse::{Escrow, Occasion, Purse, Settlement};

use crate::policy::{DEFAULT_BUDGET_PARTS, DEFAULT_MIN_PER_SECOND};

/// What a hedge costs, in the unit of tokens: each request deposits as many as the budget has parts of a million.
pub const TOKEN: u64 = 1_000_000;
/// The shortest time over which the bound holds, seconds.
pub const WINDOW_S: u64 = 10;
const WINDOW_NS: u64 = WINDOW_S * 1_000_000_000;

/// How many hedges are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    parts: u64,
    min_per_second: u64,
}

impl Default for Budget {
    /// [`DEFAULT_BUDGET_PARTS`] and [`DEFAULT_MIN_PER_SECOND`].
    fn default() -> Self {
        Self::new(DEFAULT_BUDGET_PARTS, DEFAULT_MIN_PER_SECOND)
    }
}

impl Budget {
    /// A budget of `parts` of a million of the requests (20,000: 2 %; more than a million counts as a million) and
    /// `min_per_second` hedges a second.
    pub fn new(parts: u32, min_per_second: u32) -> Self {
        Self {
            parts: u64::from(parts).min(TOKEN),
            min_per_second: min_per_second.into(),
        }
    }

    /// The parts of a million of the requests.
    pub const fn parts(&self) -> u64 {
        self.parts
    }

    /// Hedges a second that are always allowed.
    pub const fn min_per_second(&self) -> u64 {
        self.min_per_second
    }

    /// The most that there ever is, in parts of a [`TOKEN`].
    pub const fn capacity(&self) -> u64 {
        self.min_per_second * WINDOW_S / 2 * TOKEN
    }

    /// What comes in with time, in parts of a [`TOKEN`]: in a window as much as there ever is.
    const fn refill(&self, elapsed_ns: u64) -> u64 {
        let elapsed_us = if elapsed_ns < WINDOW_NS {
            elapsed_ns / 1_000
        } else {
            WINDOW_NS / 1_000
        };
        // A token has a million parts, as a second has microseconds.
        self.min_per_second * elapsed_us / 2
    }
}
