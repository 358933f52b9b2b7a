//! What the workers of a process share, and this worker's copy of it.
//!
//! | key | value |
//! | --- | --- |
//! | twelve bytes: the hash of the slot's name, the number of the bucket | a bucket of quotas |
//! | `<slot>/board` | [`Board`]: epochs, shares |
//! | `<slot>/demand` | [`Demand`]: what was asked for of the fleet's limits |

use std::cell::RefCell;
use std::rc::Rc;

use weir_host::HostError;
use weir_host::port::{Host, SharedData};
use weir_limiter::{Board, Demand, FRESH_NS, Fingerprint, LimitId, Limiter};
use xxhash_rust::xxh3::xxh3_64;

/// The period of ticks with quotas of the fleet, and without, milliseconds.
const FLEET_TICK_MS: u32 = 100;
const TICK_MS: u32 = 1_000;
/// How often a compare-and-set is tried before the next tick has to do.
const ATTEMPTS: usize = 32;

/// What the workers of a process share, as this worker knows it.
#[derive(Debug)]
pub(crate) struct Shared {
    slot_hash: [u8; 8],
    board_key: Box<[u8]>,
    demand_key: Box<[u8]>,
    has_fleet: bool,
    copy: RefCell<Option<BoardCopy>>,
    /// What this worker was asked for since it last told the others.
    demand: RefCell<Demand>,
}

/// A copy of the board.
#[derive(Clone, Debug)]
struct BoardCopy {
    board: Rc<Board>,
    read_at: u64,
}

impl Shared {
    pub(crate) fn new(limiter: &Limiter) -> Self {
        let key = |name: &str| format!("{}/{name}", limiter.slot()).into_bytes().into();
        Self {
            slot_hash: xxh3_64(limiter.slot().as_bytes()).to_le_bytes(),
            board_key: key("board"),
            demand_key: key("demand"),
            has_fleet: limiter.fleet_limits().next().is_some(),
            copy: RefCell::default(),
            demand: RefCell::default(),
        }
    }

    /// The key of a bucket. Short: there are many.
    pub(crate) fn bucket(&self, number: u32) -> [u8; 12] {
        let [a, b, c, d] = number.to_le_bytes();
        let [s, t, u, v, w, x, y, z] = self.slot_hash;
        [s, t, u, v, w, x, y, z, a, b, c, d]
    }

    pub(crate) const fn tick_period_ms(&self) -> u32 {
        if self.has_fleet { FLEET_TICK_MS } else { TICK_MS }
    }

    /// The board, as old as it may be at `now`.
    pub(crate) fn board(&self, host: &impl Host, now: u64) -> Result<Rc<Board>, HostError> {
        let fresh = |copy: &&BoardCopy| !self.has_fleet || now.abs_diff(copy.read_at) < FRESH_NS;
        let known = self
            .copy
            .borrow()
            .as_ref()
            .filter(fresh)
            .map(|copy| Rc::clone(&copy.board));
        match known {
            Some(board) => Ok(board),
            None => self.read_board(host, now),
        }
    }

    /// Reads the board anew. Where there is none, quotas of the fleet need one, since they go by its clock: all workers must
    /// have the same.
    pub(crate) fn read_board(&self, host: &impl Host, now: u64) -> Result<Rc<Board>, HostError> {
        let mut found = self.stored_board(host)?;
        if found.is_none() && self.has_fleet {
            self.change_board(host, now, &mut |_| {})?;
            found = self.stored_board(host)?;
        }
        let board = Rc::new(found.unwrap_or_else(|| Board::new(now)));
        *self.copy.borrow_mut() = Some(BoardCopy {
            board: Rc::clone(&board),
            read_at: now,
        });
        Ok(board)
    }

    fn stored_board(&self, host: &impl Host) -> Result<Option<Board>, HostError> {
        let found = host.load(&self.board_key)?;
        Ok(found.and_then(|(bytes, _)| Board::from_bytes(&bytes)))
    }

    /// Changes the board for all workers, where there is something to change.
    ///
    /// The change is a trait object, so that a module holds this once and not once for each change.
    pub(crate) fn change_board(
        &self,
        host: &impl Host,
        now: u64,
        change: &mut dyn FnMut(&mut Board),
    ) -> Result<(), HostError> {
        for _ in 0..ATTEMPTS {
            let found = host.load(&self.board_key)?;
            let version = found.as_ref().map(|(_, version)| *version);
            let before = found.and_then(|(bytes, _)| Board::from_bytes(&bytes));
            let mut board = before.clone().unwrap_or_else(|| Board::new(now));
            change(&mut board);
            if before.as_ref() == Some(&board) {
                return Ok(());
            }
            match host.store(&self.board_key, &board.to_bytes(), version) {
                Err(HostError::CasMismatch) => {}
                stored => return stored,
            }
        }
        Err(HostError::CasMismatch)
    }

    /// Notes what was asked for of a key of the fleet's.
    pub(crate) fn demanded(&self, limit: LimitId, key: Fingerprint, units: u64) {
        self.demand.borrow_mut().add(limit, key, units);
    }

    /// Tells the other workers what this one was asked for.
    pub(crate) fn tell_demand(&self, host: &impl SharedData) -> Result<(), HostError> {
        if self.demand.borrow().is_empty() {
            return Ok(());
        }
        for _ in 0..ATTEMPTS {
            let found = host.load(&self.demand_key)?;
            let version = found.as_ref().map(|(_, version)| *version);
            let mut all = found.map_or_else(Demand::default, |(bytes, _)| Demand::from_bytes(&bytes));
            all.add_all(&self.demand.borrow());
            match host.store(&self.demand_key, &all.to_bytes(), version) {
                Err(HostError::CasMismatch) => {}
                Err(error) => return Err(error),
                Ok(()) => {
                    *self.demand.borrow_mut() = Demand::default();
                    return Ok(());
                }
            }
        }
        Err(HostError::CasMismatch)
    }

    /// What all workers were ever asked for.
    pub(crate) fn demand(&self, host: &impl SharedData) -> Result<Demand, HostError> {
        let found = host.load(&self.demand_key)?;
        Ok(found.map_or_else(Demand::default, |(bytes, _)| Demand::from_bytes(&bytes)))
    }
}
