//! How long to look, and where to begin.
//!
//! * `WEIR_FUZZ_SEED`: the seed of the first case; each further one has the next. Default: a fixed one.
//! * `WEIR_FUZZ_CASES`: how many cases for each property. Default: each property's own number.
//! * `WEIR_FUZZ_SECONDS`: look for so long instead, and print how far it has come, once a second.
//! * `WEIR_FUZZ_KEEP`: any value: write a case that is found to `cases/`.

use std::str::FromStr;
use std::time::{Duration, Instant};

/// The default seed.
const SEED: u64 = 20_261_123;

/// What one property may spend.
pub(crate) struct Budget {
    pub(crate) seed: u64,
    pub(crate) keep: bool,
    cases: u64,
    time: Option<Duration>,
    started: Instant,
}

impl Budget {
    /// What the environment says; `cases` where it says nothing.
    pub(crate) fn new(cases: u64) -> Self {
        Self {
            seed: variable("WEIR_FUZZ_SEED").unwrap_or(SEED),
            keep: std::env::var_os("WEIR_FUZZ_KEEP").is_some(),
            cases: variable("WEIR_FUZZ_CASES").unwrap_or(cases),
            time: variable("WEIR_FUZZ_SECONDS").map(Duration::from_secs),
            started: Instant::now(),
        }
    }

    /// Whether there is enough for another case after `done`.
    pub(crate) fn allows(&self, done: u64) -> bool {
        match self.time {
            Some(time) => self.started.elapsed() < time,
            None => done < self.cases,
        }
    }

    /// Whole seconds since the start, where somebody watches.
    pub(crate) fn watched(&self) -> Option<u64> {
        self.time.map(|_| self.started.elapsed().as_secs())
    }
}

fn variable<T: FromStr>(name: &str) -> Option<T> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name}: {text:?}: expected a whole number")),
    )
}
