//! How requests for the same answer wait for one another.

use serde::{Deserialize, Serialize};

use super::{MAX_WAIT, SHORTEST};
use crate::document::bounds::{check_duration, check_range};
use crate::problem::Problems;
use crate::quantity::Duration;

/// The largest `maxWaiters`.
pub const MAX_WAITERS: u32 = 100_000;

/// How requests for the same answer wait for the first of them, instead of asking the origin all at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CoalesceSpec {
    /// How many wait for one answer, in each worker: 0 to 100000; 0: none does. Others go on to the origin.
    #[serde(default = "default_waiters")]
    #[cfg_attr(feature = "schema", schemars(range(max = 100_000)))]
    pub max_waiters: u32,
    /// How long they wait before they go on to the origin: 1ms to 300s.
    #[serde(default = "default_timeout")]
    pub timeout: Duration,
}

const fn default_waiters() -> u32 {
    1_000
}

const fn default_timeout() -> Duration {
    Duration::from_secs(5)
}

impl Default for CoalesceSpec {
    fn default() -> Self {
        Self {
            max_waiters: default_waiters(),
            timeout: default_timeout(),
        }
    }
}

impl CoalesceSpec {
    pub(super) fn check(self, problems: &mut Problems) {
        let range = 0..=MAX_WAITERS;
        check_range(
            self.max_waiters,
            range,
            "maxWaiters",
            "number_out_of_range",
            problems,
        );
        check_duration(self.timeout, SHORTEST..=MAX_WAIT, "timeout", problems);
    }
}
