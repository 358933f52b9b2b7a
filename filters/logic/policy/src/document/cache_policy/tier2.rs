//! The tier that all proxies share.

use serde::{Deserialize, Serialize};

use super::{MAX_WAIT, NONE, SHORTEST};
use crate::cache_tier::MAX_WAIT_MS;
use crate::document::bounds::check_duration;
use crate::name::Name;
use crate::problem::Problems;
use crate::quantity::Duration;

/// The tier that all proxies share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tier2Spec {
    /// The Backend where `weir cache-tier` listens.
    pub backend: Name,
    /// A look-up is given up after this, and the request goes on to the origin: 1ms to 300s.
    #[serde(default = "default_timeout")]
    pub timeout: Duration,
    /// A look-up may wait so long for another proxy that fetches the same; part of the timeout, and at most 30s.
    #[serde(default = "no_wait")]
    pub wait: Duration,
}

/// The tier refuses longer ones.
const LONGEST_WAIT: Duration = Duration::from_millis(MAX_WAIT_MS);

const fn default_timeout() -> Duration {
    Duration::from_millis(20)
}

const fn no_wait() -> Duration {
    NONE
}

impl Tier2Spec {
    pub(super) fn check(&self, problems: &mut Problems) {
        if check_duration(self.timeout, SHORTEST..=MAX_WAIT, "timeout", problems) {
            let longest = self.timeout.min(LONGEST_WAIT);
            check_duration(self.wait, NONE..=longest, "wait", problems);
        }
    }
}
