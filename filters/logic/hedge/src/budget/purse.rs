//! What one worker has of the budget.

use super::ledger::Ledger;
use super::{Budget, TOKEN};
use crate::shared::{SharedError, SharedValue, change};

/// A purse is settled so often, nanoseconds.
const SETTLE_NS: u64 = 500_000_000;
/// One that came back empty asks again after so long, nanoseconds.
const ASK_AGAIN_NS: u64 = 50_000_000;
/// A worker that was silent for so long asks before it spends, nanoseconds.
const SILENT_NS: u64 = 1_000_000_000;

/// What a worker settles for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// A request is there, and may want a token.
    Request,
    /// Time has passed. A worker that had no request since the last time gives back what it doesn't need.
    Tick,
}

/// A token that is held for one request until it is known whether its hedge left.
///
/// One that is dropped without [`Purse::release`] stays held.
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a token that is never released is held for ever"]
pub struct Escrow {
    term: u32,
}

/// What a worker has: free tokens, and those in escrow. All amounts are in parts of a [`TOKEN`].
///
/// It should [`Purse::sync`] at ticks, once a second or so: a worker without requests then gives back what others could use.
#[derive(Debug)]
pub struct Purse {
    budget: Budget,
    worker: u64,
    /// What `free` and `held` may come to.
    room: u64,
    free: u64,
    /// In escrow.
    held: u64,
    /// Changes when the worker's room had been given up: what was in escrow before is no longer its own.
    term: u32,
    /// Since the last settlement: the most in escrow, and how many requests there were.
    most_held: u64,
    requests: u64,
    /// It asked, and got nothing.
    in_vain: bool,
    /// When it last settled, and when it last tried to, Unix nanoseconds.
    settled_at: u64,
    tried_at: u64,
}

/// What a worker has after a settlement, if its record is the one that was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "tokens that are in the record are still in the purse as well"]
pub struct Settlement {
    room: u64,
    free: u64,
    lapsed: bool,
    in_vain: bool,
    at: u64,
}

impl Purse {
    /// The empty purse of a worker. No two workers of a process may have one id.
    pub const fn new(budget: Budget, worker: u64) -> Self {
        Self {
            budget,
            worker,
            room: 0,
            free: 0,
            held: 0,
            term: 0,
            most_held: 0,
            requests: 0,
            in_vain: false,
            settled_at: 0,
            tried_at: 0,
        }
    }

    /// What the worker has, free and in escrow.
    pub const fn has(&self) -> u64 {
        self.free + self.held
    }

    /// What it has room for.
    pub const fn room(&self) -> u64 {
        self.room
    }

    /// Counts a request: its deposit goes where there is room.
    pub fn deposit(&mut self) {
        self.requests += 1;
        let most = self.room.saturating_sub(self.held);
        self.free = (self.free + self.budget.parts()).min(most);
    }

    /// Puts a token in escrow for a request, if one is free.
    pub const fn arm(&mut self, now: u64) -> Option<Escrow> {
        if self.free < TOKEN || now.abs_diff(self.settled_at) >= SILENT_NS {
            return None;
        }
        self.free -= TOKEN;
        self.held += TOKEN;
        if self.held > self.most_held {
            self.most_held = self.held;
        }
        Some(Escrow { term: self.term })
    }

    /// Ends an escrow: spent where the hedge left, or may have; free again where it did not. For a shadow:
    /// whether it would have.
    pub const fn release(&mut self, escrow: Escrow, hedge_left: bool) {
        if escrow.term != self.term {
            return;
        }
        self.held -= TOKEN;
        if !hedge_left {
            self.free += TOKEN;
        }
    }

    /// Whether it is time to settle before a request is decided on, or at a tick.
    pub const fn is_due(&self, occasion: Occasion, now: u64) -> bool {
        let waited = now.abs_diff(self.tried_at);
        let wants = matches!(occasion, Occasion::Request) && self.free < TOKEN;
        waited >= SETTLE_NS || (wants && (!self.in_vain || waited >= ASK_AGAIN_NS))
    }

    /// What the record becomes when this worker settles, and what the worker then has. Nothing has changed until the bytes are
    /// stored in place of `record` and the settlement is [`Purse::accept`]ed, with nothing in between.
    ///
    /// All free tokens go to the balance; some come back: as many as were in use at a time since the last settlement, one
    /// more for a request. Room comes with them for twice the deposits since then, where that takes nothing off the balance.
    pub fn settle(&self, record: Option<&[u8]>, occasion: Occasion, now: u64) -> (Vec<u8>, Settlement) {
        let mut ledger = Ledger::open(record, now);
        ledger.advance(&self.budget, now);
        let lapsed = ledger.take_room(self.worker).is_none() && self.room > 0;
        let (held, free) = if lapsed { (0, 0) } else { (self.held, self.free) };
        let has_place = ledger.has_place();
        ledger.give_room(self.worker, held);
        ledger.pay_in(&self.budget, free);
        let drawn = if has_place {
            ledger.draw(self.wants(occasion))
        } else {
            0
        };
        let spare = ledger
            .unused(&self.budget)
            .saturating_sub(ledger.balance() + drawn);
        let more = if has_place {
            spare.min(self.wants_room(occasion))
        } else {
            0
        };
        let room = held + drawn + more;
        ledger.take_room(self.worker);
        ledger.give_room(self.worker, room);
        let settlement = Settlement {
            room,
            free: drawn,
            lapsed,
            in_vain: drawn == 0 && occasion == Occasion::Request,
            at: now,
        };
        (ledger.to_bytes(), settlement)
    }

    /// So many free tokens: as many as were in use, so that a burst soon has what it needs.
    const fn wants(&self, occasion: Occasion) -> u64 {
        match (occasion, self.requests) {
            (Occasion::Tick, 0) => 0,
            (Occasion::Tick, _) => self.most_held,
            (Occasion::Request, 0) => TOKEN,
            (Occasion::Request, _) => self.most_held + TOKEN,
        }
    }

    /// Room for so many deposits.
    const fn wants_room(&self, occasion: Occasion) -> u64 {
        let deposits = self.requests.saturating_mul(self.budget.parts() * 2);
        match occasion {
            Occasion::Request if deposits < TOKEN => TOKEN,
            Occasion::Request | Occasion::Tick => deposits,
        }
    }

    /// Takes up what was settled: its record was stored.
    pub const fn accept(&mut self, settlement: Settlement) {
        if settlement.lapsed {
            self.term = self.term.wrapping_add(1);
            self.held = 0;
        }
        self.room = settlement.room;
        self.free = settlement.free;
        self.in_vain = settlement.in_vain;
        self.most_held = self.held;
        self.requests = 0;
        self.settled_at = settlement.at;
        self.tried_at = settlement.at;
    }

    /// Settles with the shared record, if it is time to. After an error the worker goes on with what it has.
    pub fn sync(
        &mut self,
        record: &impl SharedValue,
        occasion: Occasion,
        now: u64,
    ) -> Result<(), SharedError> {
        if !self.is_due(occasion, now) {
            return Ok(());
        }
        self.tried_at = now;
        let settlement = change(record, |old| self.settle(old, occasion, now))?;
        self.accept(settlement);
        Ok(())
    }
}
