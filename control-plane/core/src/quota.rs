//! Quotas: who is to start anew.

use serde::{Deserialize, Serialize};
use weir_policy::document::rate_limit_policy::RateLimitPolicySpec;
use weir_policy::document::rate_limit_policy::limit::{LimitSpec, MAX_DEPTH};
use weir_policy::document::{Identity, Kind, Spec};
use weir_policy::name::Name;
use weir_policy::problem::Problem;
use weir_policy::proxy::{self, Notice};

use crate::event::Change;
use crate::plan::problem;
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
        known_limit(self, reset)?;
        Ok(Change::Notice {
            namespace: reset.namespace.clone(),
            notice: Notice::QuotaReset(proxy::QuotaReset {
                policy: format!("{}/{}", reset.namespace, reset.policy),
                limit: reset.limit.as_ref().map(ToString::to_string),
                key: reset.key.clone(),
            }),
        })
    }
}

/// Checks that the policy is there and has the limit, and that the key has as many values as the limit's.
fn known_limit(state: &State, reset: &QuotaReset) -> Result<(), Refusal> {
    let identity = Identity {
        kind: Kind::RateLimitPolicy,
        namespace: reset.namespace.clone(),
        name: reset.policy.clone(),
    };
    let stored = state.get(&identity).map(|stored| &stored.document.spec);
    let Some(Spec::RateLimitPolicy(policy)) = stored else {
        return Err(Refusal::NotFound(identity));
    };
    let wrong = |reason, pointer, detail| {
        let found = Problem::new(reason, pointer, detail);
        Err(Refusal::Invalid(vec![problem(
            0,
            Some(identity.to_string()),
            found,
        )]))
    };
    let named = |limit: &&LimitSpec| reset.limit.as_ref().is_none_or(|name| *name == limit.name);
    let mut limits = policy.limits.iter().filter(named).peekable();
    if limits.peek().is_none() {
        let detail = format!("{identity} has no such limit");
        return wrong("unknown_limit", "/limit", detail);
    }
    match &reset.key {
        Some(key) if !limits.any(|limit| values(policy, limit) == key.len()) => {
            let detail = format!("{} values: no such limit has a key of so many", key.len());
            wrong("wrong_key", "/key", detail)
        }
        Some(_) | None => Ok(()),
    }
}

/// How many values the key of a limit has: its own, and those of the limits above it.
fn values(policy: &RateLimitPolicySpec, limit: &LimitSpec) -> usize {
    let above = |limit: &&LimitSpec| {
        let parent = limit.parent.as_ref()?;
        policy.limits.iter().find(|other| other.name == *parent)
    };
    let chain = std::iter::successors(Some(limit), above).take(MAX_DEPTH);
    chain.map(|limit| limit.key.len()).sum()
}
