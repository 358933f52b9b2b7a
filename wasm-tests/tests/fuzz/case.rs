//! Cases as files: readable, and independent of how the generators make them.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::caches::{self, Caches};
use crate::hedges::{self, Hedges};
use crate::history::History;
use crate::limits::{self, Limits};
use crate::placement::{self, Placement};
use crate::run::{Violation, run};

/// A case, by the property that it is for.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Case {
    /// Every answer is the model's.
    History(History),
    /// Two runs see the same.
    Twice(History),
    /// Keys are where the ring's definition puts them.
    Placement(Placement),
    /// What passes is what may.
    Limits(Limits),
    /// Everyone gets an answer that is for it.
    Caches(Caches),
    /// Second tries leave only where they may, and no more than the budget says.
    Hedges(Hedges),
}

/// A case that was found.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Found {
    /// What was wrong then.
    pub(crate) why: String,
    pub(crate) case: Case,
}

impl Case {
    /// How many requests it took to see that the property holds, or how it does not.
    pub(crate) fn check(&self) -> Result<u64, Violation> {
        let check = || match self {
            Self::History(history) => Ok(run(history)?.requests),
            Self::Twice(history) => twice(history),
            Self::Placement(placement) => placement::check(placement),
            Self::Limits(limits) => limits::check(limits),
            Self::Caches(caches) => caches::check(caches),
            Self::Hedges(hedges) => hedges::check(hedges),
        };
        catch_unwind(AssertUnwindSafe(check)).unwrap_or_else(|_| Err("a panic, as printed".to_owned()))
    }

    /// Cases with something left out.
    pub(crate) fn smaller(&self) -> Box<dyn Iterator<Item = Self> + '_> {
        match self {
            Self::History(history) => Box::new(history.smaller().map(Self::History)),
            Self::Twice(history) => Box::new(history.smaller().map(Self::Twice)),
            Self::Placement(_) => Box::new(std::iter::empty()),
            Self::Limits(limits) => Box::new(limits.smaller().map(Self::Limits)),
            Self::Caches(caches) => Box::new(caches.smaller().map(Self::Caches)),
            Self::Hedges(hedges) => Box::new(hedges.smaller().map(Self::Hedges)),
        }
    }
}

fn twice(history: &History) -> Result<u64, Violation> {
    let (one, other) = (run(history)?, run(history)?);
    if one == other {
        return Ok(2 * one.requests);
    }
    let differs = |(one, other): &(&String, &String)| one != other;
    let pair = one.lines.iter().zip(&other.lines).find(differs);
    Err(format!("two runs of one history differ: {pair:?}"))
}

/// Where found cases are kept.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/cases")
}
