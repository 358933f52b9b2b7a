//! For how long stale answers may be served.

use serde::{Deserialize, Serialize};

use super::{MAX_LIFETIME, NONE};
use crate::document::bounds::check_duration;
use crate::problem::Problems;
use crate::quantity::Duration;

/// For how long stale answers may be served, where the origin says nothing (RFC 5861).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StaleSpec {
    /// While a fresh one is fetched behind the client's back.
    #[serde(default = "not_at_all")]
    pub while_revalidate: Duration,
    /// Where the origin fails.
    #[serde(default = "not_at_all")]
    pub if_error: Duration,
}

const fn not_at_all() -> Duration {
    NONE
}

impl Default for StaleSpec {
    fn default() -> Self {
        Self {
            while_revalidate: NONE,
            if_error: NONE,
        }
    }
}

impl StaleSpec {
    pub(super) fn check(self, problems: &mut Problems) {
        let spans = [
            ("whileRevalidate", self.while_revalidate),
            ("ifError", self.if_error),
        ];
        for (field, span) in spans {
            check_duration(span, NONE..=MAX_LIFETIME, field, problems);
        }
    }
}
