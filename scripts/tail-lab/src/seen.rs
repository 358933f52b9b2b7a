//! What the replicas of a run have seen.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::scenario::Scenario;

/// One try that came to a replica.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Try {
    /// Seconds since the load began.
    pub(crate) at_s: f64,
    pub(crate) replica: usize,
    /// 0 for a first try.
    pub(crate) attempt: usize,
    /// Nobody waited for the answer any longer.
    pub(crate) was_reset: bool,
}

/// A run so far.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) scenario: Scenario,
    /// When the load began.
    pub(crate) began: Instant,
    tries: Mutex<Vec<Try>>,
}

impl Seen {
    pub(crate) fn new(scenario: Scenario) -> Self {
        Self {
            scenario,
            began: Instant::now(),
            tries: Mutex::default(),
        }
    }

    pub(crate) fn now_s(&self) -> f64 {
        self.began.elapsed().as_secs_f64()
    }

    /// Notes a try that is over.
    pub(crate) fn note(&self, over: Try) {
        let mut tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        tries.push(over);
    }

    pub(crate) fn tries(&self) -> Vec<Try> {
        let tries = self.tries.lock().unwrap_or_else(PoisonError::into_inner);
        tries.clone()
    }
}
