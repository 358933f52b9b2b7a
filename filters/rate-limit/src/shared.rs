//! What the workers of a process share, and this worker's copy of it.
//!
//! | key | value |
//! | --- | --- |
//! | twelve bytes: the hash of the slot's name, the number of the bucket | a bucket of quotas |
//! | `<slot>/board` | [`Board`]: epochs, shares |
//! | `<slot>/demand` | [`Demand`]: what was asked for of the fleet's limits |

mod board;

use std::cell::{Cell, RefCell};

use weir_host::HostError;
use weir_host::port::{Host, RootHost, SharedData};
use weir_limiter::{Board, Demand, FRESH_NS, Fingerprint, LimitId, Limiter};
use xxhash_rust::xxh3::xxh3_64;

/// Ticks with quotas of the fleet, and without.
const FLEET_TICK_MS: u32 = 100;
const TICK_MS: u32 = 1_000;
/// How often a compare-and-set is tried before the next tick has to do.
const ATTEMPTS: usize = 32;

/// What the workers of a process share, as this worker knows it.
#[derive(Debug)]
pub(crate) struct Shared {
    slot_hash: u64,
    board_key: String,
    demand_key: String,
    has_fleet: bool,
    board: RefCell<Option<Copy>>,
    /// What this worker was asked for since the last tick.
    demand: RefCell<Demand>,
}

/// A copy of the board.
#[derive(Debug)]
struct Copy {
    board: std::rc::Rc<Board>,
    read_at: u64,
}
