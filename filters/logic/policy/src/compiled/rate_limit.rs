//! The policy of the rate-limit filter: one RateLimitPolicy, resolved.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ConfigError, SlotConfig};
use crate::document::key::{KeySource, PathSource};
use crate::document::rate_limit_policy::cost::Cost;
use crate::document::rate_limit_policy::descriptor::ClientAddress;
use crate::document::rate_limit_policy::exemption::Exemption;
use crate::document::rate_limit_policy::limit::{Fleet, MissingKey};
use crate::document::rate_limit_policy::{HeaderFields, OnError};
use crate::name::Name;

/// A RateLimitPolicy that is not off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CompiledRateLimitPolicy {
    /// It decides and counts, and changes nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shadow: bool,
    /// The policy of the slot in whose place it might come, `<namespace>/<name>`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub candidate_for: Option<String>,
    /// What happens to a request whose quota can't be looked up or written.
    pub on_error: OnError,
    /// Requests that it is not for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exempt: Vec<Exemption>,
    /// What clients are told.
    pub headers: HeaderFields,
    /// How many keys are kept at once.
    pub max_keys: u32,
    /// All must let a request pass.
    pub limits: Vec<CompiledLimit>,
}

impl SlotConfig<CompiledRateLimitPolicy> {
    /// As [`SlotConfig::from_json`], compiled here, where a filter's build prefers size.
    pub fn read(json: &[u8]) -> Result<Self, ConfigError> {
        Self::from_json(json)
    }
}

/// One limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CompiledLimit {
    /// Unique in the policy.
    pub name: Name,
    /// Requests with the same values are counted together.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<CompiledDescriptor>,
    /// What happens to a request that lacks a value.
    pub on_missing_key: MissingKey,
    /// How many requests there may be.
    pub quota: CompiledQuota,
    /// Other quotas for some clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plans: Option<CompiledPlans>,
    /// What a request costs.
    pub cost: Cost,
    /// The limit above this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<Name>,
    /// One quota for the whole fleet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fleet: Option<Fleet>,
}

/// How many requests there may be, by which algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CompiledQuota {
    /// Generic cell rate algorithm.
    Rate(Amount),
    /// Two fixed windows.
    SlidingWindow(Amount),
    /// Requests under way at once.
    Concurrency(Amount),
}

/// So many in a time. One type for all algorithms, since each type that is read costs a module some KiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Amount {
    /// So many requests.
    pub requests: u64,
    /// In so many milliseconds; of requests under way, how long one is counted.
    #[serde(alias = "maxDurationMs")]
    pub window_ms: u64,
    /// Of a rate: so many at once.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub burst: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference over")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Other quotas for some clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CompiledPlans {
    /// Where a client's plan stands.
    pub from: CompiledDescriptor,
    /// By plan.
    pub quotas: BTreeMap<String, CompiledQuota>,
}

/// One value of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum CompiledDescriptor {
    /// The client's address.
    ClientAddress(ClientAddress),
    /// A request header.
    Header(String),
    /// A cookie.
    Cookie(String),
    /// A claim of a token.
    JwtClaim {
        /// Headers that may hold the payload of a verified token, base64url; none: the token itself stands in
        /// `authorization`, verified by nobody.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        payload_headers: Vec<String>,
        /// Dots lead into objects.
        claim: String,
    },
    /// A variable of a path template.
    Path(PathSource),
    /// The method.
    Method,
    /// A ShardMap's key: its sources.
    ShardKey(Vec<KeySource>),
}
