//! What the workers of a process know of their budget together.

use super::{Budget, TOKEN};
use crate::clock;

const FORMAT: u64 = 1;
/// Most workers that have room.
const MAX_WORKERS: usize = 256;
/// A worker's room is given up when nothing was heard of it for so long, nanoseconds.
pub const LAPSE_NS: u64 = 600_000_000_000;
/// Between two settlements a worker is silent for no longer than this, whatever the clock says. Nanoseconds.
const LONGEST_SILENCE_NS: u64 = 1_000_000_000;

/// The shared record: when it was written, the balance, and each worker's room.
///
/// As bytes: format, time, balance, then worker, room and silence of each, all u64 little-endian. Bytes that are no record
/// are one without any balance, which is safe and soon over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ledger {
    at: u64,
    balance: u64,
    rooms: Vec<Room>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Room {
    worker: u64,
    size: u64,
    silent_ns: u64,
}

impl Ledger {
    /// The record of a process that has just begun: no balance.
    const fn new(now: u64) -> Self {
        Self {
            at: now,
            balance: 0,
            rooms: Vec::new(),
        }
    }

    /// The record of bytes from shared data, unless they are none.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (words, []) = bytes.as_chunks::<8>() else {
            return None;
        };
        let ([format, at, balance], rooms) = words.split_first_chunk()?;
        let (rooms, []) = rooms.as_chunks::<3>() else {
            return None;
        };
        let known = u64::from_le_bytes(*format) == FORMAT && rooms.len() <= MAX_WORKERS;
        known.then(|| Self {
            at: u64::from_le_bytes(*at),
            balance: u64::from_le_bytes(*balance),
            rooms: rooms.iter().map(Room::read).collect(),
        })
    }

    pub(super) fn open(bytes: Option<&[u8]>, now: u64) -> Self {
        bytes.and_then(Self::parse).unwrap_or_else(|| Self::new(now))
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let head = [FORMAT, self.at, self.balance];
        let rooms = self.rooms.iter().flat_map(Room::words);
        head.into_iter().chain(rooms).flat_map(u64::to_le_bytes).collect()
    }

    /// What no worker has, in parts of a [`TOKEN`].
    pub const fn balance(&self) -> u64 {
        self.balance
    }

    /// What workers have room for, in parts of a [`TOKEN`].
    pub fn room(&self) -> u64 {
        let sizes = self.rooms.iter().map(|room| room.size);
        sizes.fold(0, u64::saturating_add)
    }

    /// What the budget can hold beside all room.
    pub(super) fn unused(&self, budget: &Budget) -> u64 {
        budget.capacity().saturating_sub(self.room())
    }

    /// Lets time pass: tokens come in, the silent lapse.
    pub(super) fn advance(&mut self, budget: &Budget, now: u64) {
        let elapsed = clock::passed(&mut self.at, now);
        for room in &mut self.rooms {
            room.silent_ns = room.silent_ns.saturating_add(elapsed.min(LONGEST_SILENCE_NS));
        }
        self.rooms.retain(|room| room.silent_ns < LAPSE_NS);
        self.pay_in(budget, budget.refill(elapsed));
    }

    /// Adds to the balance what fits.
    pub(super) fn pay_in(&mut self, budget: &Budget, parts: u64) {
        self.balance = self.balance.saturating_add(parts).min(self.unused(budget));
    }

    /// Takes whole tokens off the balance: up to `wanted` parts of one and rounded up, but no more than half of what there is if that is
    /// more than one, for others want some as well.
    pub(super) const fn draw(&mut self, wanted: u64) -> u64 {
        let half = (self.balance / TOKEN).div_ceil(2);
        let wanted = wanted.div_ceil(TOKEN);
        let drawn = if wanted < half { wanted } else { half } * TOKEN;
        self.balance -= drawn;
        drawn
    }

    /// Takes the room of a worker, if it has any.
    pub(super) fn take_room(&mut self, worker: u64) -> Option<u64> {
        let place = self.rooms.iter().position(|room| room.worker == worker)?;
        Some(self.rooms.swap_remove(place).size)
    }

    /// Whether a worker more can have room.
    pub(super) const fn has_place(&self) -> bool {
        self.rooms.len() < MAX_WORKERS
    }

    /// Gives a worker room that has none.
    pub(super) fn give_room(&mut self, worker: u64, size: u64) {
        if size > 0 {
            let silent_ns = 0;
            self.rooms.push(Room {
                worker,
                size,
                silent_ns,
            });
        }
    }
}

impl Room {
    fn read(words: &[[u8; 8]; 3]) -> Self {
        let [worker, size, silent_ns] = words.map(u64::from_le_bytes);
        Self {
            worker,
            size,
            silent_ns,
        }
    }

    const fn words(&self) -> [u64; 3] {
        [self.worker, self.size, self.silent_ns]
    }
}
