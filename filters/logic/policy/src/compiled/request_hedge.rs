//! The policy of the request-hedge filter: one HedgePolicy, resolved.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ConfigError, SlotConfig};
use crate::problem::escape;

/// One, in parts per million.
const WHOLE: u32 = 1_000_000;

/// A HedgePolicy that is not off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CompiledHedgePolicy {
    /// It decides and counts, and changes nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shadow: bool,
    /// The part of requests that take no longer than the delay, in parts per million: 1 to 999999.
    pub quantile_ppm: u32,
    /// The shortest delay, at least 1.
    pub min_delay_ms: u32,
    /// The longest.
    pub max_delay_ms: u32,
    /// The delay while the quantile is not known; absent: no second try is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cold_start_delay_ms: Option<u32>,
    /// How many second tries there may be.
    pub budget: CompiledBudget,
    /// Requests with one of these methods may be sent twice.
    pub methods: Vec<String>,
    /// Requests with one of these headers, lower-case, may be too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub idempotent_headers: Vec<String>,
    /// Requests with a longer body, or one whose length is not told, may not.
    pub max_request_body_bytes: u64,
    /// When no second try is sent because all replicas are in trouble.
    pub overload: CompiledOverload,
    /// `x-envoy-max-retries` of a request that may be sent twice: 1, since a token of the budget pays for one further try. With
    /// more, Envoy sends the next one when the second is late as well.
    pub max_retries: u32,
    /// Only requests to these clusters are sent twice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<String>,
    /// The timeouts of the routes that requests to these clusters take: a delay that is not shorter than the route's is none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub route_timeouts_ms: BTreeMap<String, u64>,
}

/// How many second tries there may be: in any span of ten seconds or more, this part of the requests, and so many a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CompiledBudget {
    /// The part, in parts per million: 0 to 1000000.
    pub ppm: u32,
    /// So many a second.
    pub min_per_second: u32,
}

/// When no second try is sent because all replicas are in trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CompiledOverload {
    /// More of the latest answers than this part, in parts per million, are 5xx or resets.
    pub error_ppm: u32,
    /// The median of the latest answers is longer than the usual one by more than this factor, in parts per million.
    pub latency_factor_ppm: u32,
}

impl SlotConfig<CompiledHedgePolicy> {
    /// As [`SlotConfig::from_json`], with the policies checked too; an error starts with the pointer to the field. Compiled
    /// here, where a filter's build prefers size.
    pub fn read(json: &[u8]) -> Result<Self, ConfigError> {
        let config = Self::from_json(json)?;
        for (name, policy) in &config.policies {
            if let Some((field, expected)) = policy.mistake() {
                let pointer = format!("/policies/{}/{field}", escape(name));
                return Err(ConfigError::Invalid(format!("{pointer}: expected {expected}")));
            }
        }
        Ok(config)
    }
}

impl CompiledHedgePolicy {
    /// The first field that can't be followed, and what was expected in it.
    fn mistake(&self) -> Option<(&'static str, &'static str)> {
        let delays = self.min_delay_ms..=self.max_delay_ms;
        let rules = [
            (
                (1..WHOLE).contains(&self.quantile_ppm),
                "quantilePpm",
                "1 to 999999",
            ),
            (self.min_delay_ms > 0, "minDelayMs", "at least 1"),
            (!delays.is_empty(), "maxDelayMs", "at least minDelayMs"),
            (
                self.cold_start_delay_ms
                    .is_none_or(|delay| delays.contains(&delay)),
                "coldStartDelayMs",
                "minDelayMs to maxDelayMs",
            ),
            (self.budget.ppm <= WHOLE, "budget/ppm", "0 to 1000000"),
            (
                self.overload.error_ppm <= WHOLE,
                "overload/errorPpm",
                "0 to 1000000",
            ),
            (
                self.overload.latency_factor_ppm > WHOLE,
                "overload/latencyFactorPpm",
                "more than 1000000",
            ),
            (self.max_retries == 1, "maxRetries", "1"),
        ];
        let broken = rules.into_iter().find(|(holds, ..)| !holds);
        broken.map(|(_, field, expected)| (field, expected))
    }
}
