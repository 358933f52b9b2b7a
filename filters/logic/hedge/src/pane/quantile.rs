//! Quantiles of what first tries take, from samples of which some are censored.

use super::{Entry, Pane, bucket};

/// One, in parts per million.
const MILLION: u32 = 1_000_000;
/// What a part per million of survival is in the arithmetic: with it, a product with any number of samples fits a u64.
const FINE: u64 = 1 << 12;

/// A quantile, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// It is this, nanoseconds.
    Is(u64),
    /// All samples beyond are censored: it is this or more, nanoseconds.
    AtLeast(u64),
}

impl Reading {
    /// The quantile, or the least that it can be, nanoseconds.
    pub const fn least_ns(self) -> u64 {
        match self {
            Self::Is(ns) | Self::AtLeast(ns) => ns,
        }
    }
}

/// How many first tries are still without an answer, as the entries go by (Kaplan and Meier, 1958).
///
/// With d of n answered the part that remains is multiplied by (n - d) / n. Between two entries with censored samples these
/// products are one quotient, so that nothing is rounded where nothing is censored.
struct Survival {
    /// The part that remained at the last censored entry, in parts of a million [`FINE`].
    part: u64,
    /// Samples that were left after it.
    of: u32,
    /// Samples that are left now.
    left: u32,
}

impl Survival {
    const fn of(samples: u32) -> Self {
        Self {
            part: MILLION as u64 * FINE,
            of: samples,
            left: samples,
        }
    }

    /// So many were answered.
    const fn answered(&mut self, complete: u32) {
        self.left = self.left.saturating_sub(complete);
    }

    /// Nothing more is known of so many.
    const fn censored(&mut self, censored: u32) {
        if censored == 0 {
            return;
        }
        let now = (self.part * self.left as u64).checked_div(self.of as u64);
        self.part = match now {
            Some(part) => part,
            None => 0,
        };
        self.left = self.left.saturating_sub(censored);
        self.of = self.left;
    }

    /// Whether no more remain than so many of a million.
    const fn is_at_most(&self, parts: u32) -> bool {
        self.part * self.left as u64 <= parts as u64 * FINE * self.of as u64
    }
}

impl Pane {
    /// The quantile of what the first try takes, `parts` of a million (950,000: 95 % take no longer). None without samples.
    ///
    /// By the product-limit estimator (Kaplan and Meier), a censored sample counted after the complete ones of its bucket: what
    /// second tries did does not make it shorter. Where too many are censored, a lower bound: the last time that a sample
    /// tells of, or the quantile of what the requests took with their second tries, whichever is longer.
    pub fn quantile(&self, parts: u32) -> Option<Reading> {
        let last = self.entries.last()?;
        let remain = MILLION.saturating_sub(parts);
        let mut survival = Survival::of(self.samples);
        for entry in &self.entries {
            survival.answered(entry.complete);
            if entry.complete > 0 && survival.is_at_most(remain) {
                return Some(Reading::Is(bucket::middle_ns(entry.bucket)));
            }
            survival.censored(entry.censored);
        }
        let known = self
            .entries
            .iter()
            .rev()
            .find(|entry| entry.complete + entry.censored > 0);
        let known = known.unwrap_or(last).bucket.max(self.ended(parts));
        Some(Reading::AtLeast(bucket::middle_ns(known)))
    }

    /// The quantile of what requests took, second tries included, nanoseconds. None without samples.
    pub fn with_hedges(&self, parts: u32) -> Option<u64> {
        (!self.is_empty()).then(|| bucket::middle_ns(self.ended(parts)))
    }

    /// The bucket by whose end so many of a million requests had ended.
    fn ended(&self, parts: u32) -> u16 {
        let rank = (u64::from(self.samples) * u64::from(parts.min(MILLION)))
            .div_ceil(MILLION.into())
            .max(1);
        let mut ended = 0;
        let reached = |entry: &&Entry| {
            ended += u64::from(entry.complete) + u64::from(entry.ended);
            ended >= rank
        };
        self.entries.iter().find(reached).map_or(0, |entry| entry.bucket)
    }
}
