//! Randomness from a seed: the same seed, the same run.

use std::sync::{Arc, Mutex};

use crate::process::shared::locked;

/// The fleet's source of random numbers. Clones draw from the same source.
#[derive(Clone)]
pub(crate) struct Random(Arc<Mutex<fastrand::Rng>>);

impl Random {
    pub(crate) fn seeded(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(fastrand::Rng::with_seed(seed))))
    }

    /// True with this chance, 0 to 1.
    pub(crate) fn chance(&self, chance: f64) -> bool {
        locked(&self.0).f64() < chance
    }

    /// Below `bound`; 0 when that is 0.
    pub(crate) fn below(&self, bound: u64) -> u64 {
        if bound == 0 {
            0
        } else {
            locked(&self.0).u64(..bound)
        }
    }

    /// Random bytes.
    pub(crate) fn fill(&self, bytes: &mut [u8]) {
        locked(&self.0).fill(bytes);
    }
}
