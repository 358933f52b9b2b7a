//! The generic cell rate algorithm.

use crate::cell::{Rate, State, Verdict};
use crate::share::{Clock, ShareRecord};

/// The largest tolerance: with as much debt it fits a u64 beside any time until the year 2262.
pub(super) const MAX_TOLERANCE_NS: u64 = 1 << 61;

/// A rate limit on one key, by the generic cell rate algorithm in its virtual scheduling form (ITU-T I.371, annex A).
///
/// The state is one instant, the theoretical arrival time TAT at which the bucket is full again. A request of cost c
/// passes iff max(TAT, now) + c·T − now ≤ τ (T the interval of a unit, τ = T · burst), and moves TAT there. A denied
/// request moves nothing. So in any window of length Δ at most Δ/T + burst units pass.
///
/// **A clock that steps back** counts as no time passed: what passes between two requests is bounded by the sum of the
/// clock's steps forward between them. A TAT that no cost explains (further than τ and the debt ahead, see
/// [`Gcra::is_ahead`]) becomes now + τ: an empty bucket, neither a free pass nor a long lockout; the check says so by
/// giving a state to store although it denies.
///
/// **A share** of a fleet-wide limit ([`Gcra::shared`]) is the same algorithm on a clock that runs as slowly as the share
/// is small, see [`ShareRecord`].
#[derive(Clone, Copy, Debug)]
pub struct Gcra<'a> {
    rate: &'a Rate,
    share: Option<&'a ShareRecord>,
}

/// A state as it reads now, in the time of the cell's clock.
struct Standing {
    clock: Clock,
    tat: u64,
    repaired: bool,
}

impl<'a> Gcra<'a> {
    /// The whole limit.
    pub const fn local(rate: &'a Rate) -> Self {
        Self { rate, share: None }
    }

    /// This process's share of a fleet-wide limit.
    pub const fn shared(rate: &'a Rate, share: &'a ShareRecord) -> Self {
        Self {
            rate,
            share: Some(share),
        }
    }

    /// What the cell says to a request of `cost` units, and the state to store, if it is another.
    ///
    /// Cost 0 is a look: it stores nothing, and is denied only while the cell is in debt, or has no share.
    pub fn check(&self, state: Option<State>, now: u64, cost: u64) -> (Verdict, Option<State>) {
        let standing = self.standing(state, now);
        let next = standing.tat.saturating_add(self.rate.price_ns(cost));
        let over = next.saturating_sub(self.empty_at(&standing.clock));
        if over > 0 || standing.clock.share == 0 {
            let store =
                (standing.repaired && cost > 0).then(|| self.state(&standing.clock, standing.tat, now));
            return (self.deny(&standing, cost, over), store);
        }
        let store = (cost > 0).then(|| self.state(&standing.clock, next, now));
        let verdict = Verdict::Allow {
            remaining: self.remaining(&standing.clock, next),
            reset_ns: self.reset_ns(&standing.clock, next),
        };
        (verdict, store)
    }

    /// The state after `cost` units that were used whatever the cell says, known only after the fact. They may take
    /// what is there and [`Rate::debt_ns`] more; what goes beyond is forgotten.
    pub fn charge(&self, state: Option<State>, now: u64, cost: u64) -> State {
        let standing = self.standing(state, now);
        let debt = standing.clock.own(self.rate.debt_ns());
        let lowest = self
            .empty_at(&standing.clock)
            .saturating_add(debt)
            .max(standing.tat);
        let tat = standing.tat.saturating_add(self.rate.price_ns(cost)).min(lowest);
        self.state(&standing.clock, tat, now)
    }

    /// The state after `cost` units were given back that a check has just taken: the exact inverse, whatever came in
    /// between, as long as the bucket has not been full since. In any window, what passes less what is given back keeps
    /// the bound.
    pub fn refund(&self, state: State, cost: u64) -> State {
        let price = self.rate.price_ns(cost);
        match self.share {
            None => State {
                expires: state.expires.saturating_sub(price),
                ..state
            },
            Some(_) => State {
                word: state.word.saturating_sub(price),
                ..state
            },
        }
    }

    /// Whether `state` is further ahead of `now` than any cost explains: the clock has stepped back, or `now` was read
    /// before another worker wrote the state. The latter has to be ruled out by a new reading, or what the other has
    /// charged would be given back.
    pub fn is_ahead(&self, state: Option<State>, now: u64) -> bool {
        self.standing(state, now).repaired
    }

    fn clock(&self, now: u64) -> Clock {
        match self.share {
            None => Clock::real_time(now),
            Some(record) => record.clock(self.rate, now),
        }
    }

    fn standing(&self, state: Option<State>, now: u64) -> Standing {
        let clock = self.clock(now);
        let stored = state.and_then(|state| match self.share {
            None => Some(state.expires),
            Some(record) => record.tat_of(state, now),
        });
        let tat = stored.map_or(clock.floor, |tat| tat.max(clock.floor));
        let empty = self.empty_at(&clock);
        let explained = self.rate.debt_ns().saturating_add(clock.skew);
        let repaired = tat > empty.saturating_add(explained);
        Standing {
            tat: if repaired { empty } else { tat },
            clock,
            repaired,
        }
    }

    /// The TAT of an empty bucket.
    const fn empty_at(&self, clock: &Clock) -> u64 {
        clock.now.saturating_add(self.rate.tolerance_ns())
    }

    /// The TAT of a full bucket.
    const fn full_at(&self, clock: &Clock) -> u64 {
        let tolerance = self.rate.tolerance_ns();
        self.empty_at(clock).saturating_sub(clock.own(tolerance))
    }

    const fn remaining(&self, clock: &Clock, tat: u64) -> u64 {
        self.empty_at(clock).saturating_sub(tat) / self.rate.interval_ns()
    }

    const fn reset_ns(&self, clock: &Clock, tat: u64) -> u64 {
        clock.real(tat.saturating_sub(self.full_at(clock)))
    }

    fn deny(&self, standing: &Standing, cost: u64, over: u64) -> Verdict {
        let never = cost > self.rate.burst() || standing.clock.share == 0;
        Verdict::Deny {
            remaining: self.remaining(&standing.clock, standing.tat),
            retry_after_ns: (!never).then(|| standing.clock.real(over)),
            reset_ns: self.reset_ns(&standing.clock, standing.tat),
        }
    }

    fn state(&self, clock: &Clock, tat: u64, now: u64) -> State {
        match self.share {
            None => State {
                expires: tat,
                word: 0,
            },
            Some(record) => {
                let full = now.saturating_add(self.reset_ns(clock, tat));
                record.state(self.rate, tat, now, full)
            }
        }
    }
}
