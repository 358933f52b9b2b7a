//! RateLimitPolicy: how much each client may ask for.

pub mod cost;
pub mod descriptor;
pub mod exemption;
pub mod limit;
pub mod quota;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::document::mode::Mode;
use crate::document::target_ref::{TargetRef, check_target_refs};
use crate::matching::RequestMatch;
use crate::name::Name;
use crate::problem::Problems;
use exemption::Exemption;
use limit::LimitSpec;

/// The most limits of one policy.
pub const MAX_LIMITS: usize = 16;
/// The most exemptions of one policy.
pub const MAX_EXEMPTIONS: usize = 64;
/// The largest `maxKeys`.
pub const MAX_KEYS: u32 = 1_000_000;

/// How much each client may ask for. Every policy that is for a request applies; the strictest answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RateLimitPolicySpec {
    /// What the policy is attached to; empty: every Gateway of the namespace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub target_refs: Vec<TargetRef>,
    /// Which requests it is for: any of these; empty: every request.
    #[serde(default, rename = "match", skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<RequestMatch>,
    /// Whether it limits, only counts, or does nothing.
    #[serde(default)]
    pub mode: Mode,
    /// With `mode: shadow`: the policy of this namespace in whose place it might come. What would differ from that
    /// one's verdicts is counted; absent: from the verdicts of all enforced policies together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate_for: Option<Name>,
    /// What happens to a request whose quota can't be looked up or written.
    #[serde(default)]
    pub on_error: OnError,
    /// Requests that it is not for, although they match: any of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exempt: Vec<Exemption>,
    /// What clients are told of their quota.
    #[serde(default)]
    pub headers: HeaderFields,
    /// How many keys a proxy keeps count of at once: 1 to 1000000. The table of a proxy is as large as the largest
    /// number of its policies says, and its memory is bounded by it; a change of that largest number forgets all
    /// counts. When there are many more keys than this, keys that are closest to having their whole quota back are
    /// forgotten first; a forgotten key has its whole quota.
    #[serde(default = "default_max_keys")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 1_000_000)))]
    pub max_keys: u32,
    /// A request passes when all of these let it pass; when one doesn't, none is charged.
    pub limits: Vec<LimitSpec>,
}

/// What happens to a request whose quota can't be looked up or written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum OnError {
    /// It passes, uncounted.
    #[default]
    Allow,
    /// It is answered with 503.
    Deny,
}

/// What clients are told of their quota.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HeaderFields {
    /// On which answers `RateLimit-Policy` and `RateLimit` stand (draft-ietf-httpapi-ratelimit-headers).
    #[serde(default)]
    pub standard: Telling,
    /// `X-RateLimit-Limit`, `X-RateLimit-Remaining` and `X-RateLimit-Reset` (seconds from now) beside them, for the
    /// limit that is nearest to its end.
    #[serde(default)]
    pub legacy: bool,
}

/// On which answers something stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Telling {
    /// On all.
    #[default]
    Always,
    /// On refusals only.
    Limited,
    /// On none.
    Never,
}

const fn default_max_keys() -> u32 {
    100_000
}

impl RateLimitPolicySpec {
    pub(crate) fn check(&self, problems: &mut Problems) {
        check_target_refs(&self.target_refs, problems);
        problems.within("match", |problems| {
            for (index, request_match) in self.matches.iter().enumerate() {
                problems.within(index, |problems| request_match.check(problems));
            }
        });
        if self.candidate_for.is_some() && self.mode != Mode::Shadow {
            problems.note_at(
                "candidateFor",
                "not_in_shadow",
                "only a policy with mode: shadow is a candidate",
            );
        }
        if !(1..=MAX_KEYS).contains(&self.max_keys) {
            problems.note_at(
                "maxKeys",
                "number_out_of_range",
                format!("{}: expected 1 to {MAX_KEYS}", self.max_keys),
            );
        }
        problems.within("exempt", |problems| check_exemptions(&self.exempt, problems));
        problems.within("limits", |problems| check_limits(&self.limits, problems));
    }
}

fn check_exemptions(exemptions: &[Exemption], problems: &mut Problems) {
    if exemptions.len() > MAX_EXEMPTIONS {
        problems.note(
            "too_many_exemptions",
            format!(
                "{} exemptions: expected at most {MAX_EXEMPTIONS}",
                exemptions.len()
            ),
        );
    }
    for (index, exemption) in exemptions.iter().enumerate() {
        problems.within(index, |problems| exemption.check(problems));
    }
}

fn check_limits(limits: &[LimitSpec], problems: &mut Problems) {
    if limits.is_empty() || limits.len() > MAX_LIMITS {
        problems.note(
            "limit_count",
            format!("{} limits: expected 1 to {MAX_LIMITS}", limits.len()),
        );
    }
    let mut seen = BTreeSet::new();
    for (index, limit) in limits.iter().enumerate() {
        problems.within(index, |problems| {
            if !seen.insert(&limit.name) {
                problems.note_at(
                    "name",
                    "duplicate_limit",
                    format!("duplicate limit \"{}\"", limit.name),
                );
            }
            limit.check(limits, problems);
        });
    }
}
