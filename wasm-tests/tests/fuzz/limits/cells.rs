//! What may pass, by the definition of the generic cell rate algorithm (ITU-T I.371).

use std::collections::BTreeMap;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Passes,
    Limited,
    KeyMissing,
    Unavailable,
}

/// Whether what was seen is as it must be.
pub(super) enum Trust {
    Holds,
    Broken(String),
}

/// Which cell: the limit, and the values of the key.
pub(super) type CellId = (String, Vec<Option<Vec<u8>>>);

/// What one limit takes of a request that passes.
pub(super) struct Charge {
    pub(super) cell: CellId,
    /// Nanoseconds between two units.
    pub(super) interval: u64,
    pub(super) burst: u64,
    pub(super) cost: u64,
}

/// All that the enforced policies want of a request.
pub(super) struct Charges {
    /// A limit refuses a request without the value.
    pub(super) missing: bool,
    /// Those of limits by a plain rate.
    pub(super) rates: Vec<Charge>,
    /// There are other limits, which may refuse it too.
    pub(super) others: bool,
}

/// By cell, the theoretical arrival time.
#[derive(Default)]
pub(super) struct Cells {
    tats: BTreeMap<CellId, u64>,
    /// The host failed or the clock stepped back: nothing can be said of how much passes.
    doubtful: bool,
}

impl Cells {
    pub(super) fn doubt_if(&mut self, doubtful: bool) {
        self.doubtful |= doubtful;
    }

    /// Holds what a request got against what it must get, and charges it.
    pub(super) fn judge(&mut self, charges: Charges, now: u64, got: Verdict) -> Trust {
        if self.doubtful {
            return Trust::Holds;
        }
        let expected = self.expected(&charges, now);
        let holds = match got {
            Verdict::Limited if charges.others => expected != Verdict::KeyMissing,
            got => got == expected,
        };
        if !holds {
            return Trust::Broken(format!("{got:?}, expected {expected:?}"));
        }
        if got == Verdict::Passes {
            charges
                .rates
                .into_iter()
                .for_each(|charge| self.charge(charge, now));
        }
        Trust::Holds
    }

    fn expected(&self, charges: &Charges, now: u64) -> Verdict {
        if charges.missing {
            Verdict::KeyMissing
        } else if charges.rates.iter().all(|charge| self.fits(charge, now)) {
            Verdict::Passes
        } else {
            Verdict::Limited
        }
    }

    fn after(&self, charge: &Charge, now: u64) -> u64 {
        let tat = self.tats.get(&charge.cell).copied().unwrap_or(0);
        tat.max(now) + charge.cost * charge.interval
    }

    fn fits(&self, charge: &Charge, now: u64) -> bool {
        self.after(charge, now) - now <= charge.burst * charge.interval
    }

    fn charge(&mut self, charge: Charge, now: u64) {
        let tat = self.after(&charge, now);
        self.tats.insert(charge.cell, tat);
    }
}
