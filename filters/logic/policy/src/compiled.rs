//! The configuration of one slot, as a filter reads it: one JSON, resolved, ordered, self-contained.
//!
//! The control plane (or `weir compile`) writes it; nothing in it needs a lookup elsewhere. Integers stay below
//! 2^53, since Istio carries the JSON through a protobuf Struct; durations are `…Ms`, sizes are bytes.

pub mod edge_cache;
pub mod rate_limit;
pub mod request_hedge;
pub mod shard_router;

use std::collections::BTreeMap;
use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::json;
use crate::matching::RequestMatch;

/// The one format that this release writes and reads.
pub const FORMAT: u32 = 1;
/// Integers of a configuration stay below this, since Istio carries them as doubles.
const INTEGER_LIMIT: u64 = 1 << 53;
/// The longest name of a slot: three names of 63 bytes and their frame fit.
const MAX_SLOT_BYTES: usize = 256;

/// What one filter of one proxy does. `P` is the filter's own policy; everything else is the same for all filters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SlotConfig<P> {
    /// [`FORMAT`]; a filter refuses any other.
    pub format: u32,
    /// The slot's name, `weir/<namespace>/<gateway>/<filter>`: the prefix of its keys in shared data.
    pub slot: String,
    /// Grows with every change of this slot.
    pub generation: u64,
    /// Where the filter reaches the control plane; absent: there is none, or the filter needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control: Option<ControlConfig>,
    /// The Gateway's routes in their order; empty where the mesh owns the routes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<CompiledRoute>,
    /// The first rule that matches wins.
    pub rules: Vec<Rule>,
    /// The policies that rules name, by `<namespace>/<name>`.
    pub policies: BTreeMap<String, P>,
}

/// The way from a filter to the control plane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ControlConfig {
    /// The cluster whose hosts serve the REST API.
    pub cluster: String,
}

/// A route of the Gateway, so that a rule can be limited to one.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CompiledRoute {
    /// The route's name.
    pub name: String,
    /// Any of these; empty: every request.
    #[serde(default, rename = "match", skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<RequestMatch>,
}

/// Which requests a policy is for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// The key in `policies`.
    pub policy: String,
    /// Only requests that take this route of the Gateway; absent: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// Only requests that match; absent: all.
    #[serde(default, rename = "match", skip_serializing_if = "Option::is_none")]
    pub request_match: Option<RequestMatch>,
}

/// Why a filter refuses a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// Written for another release of the filter.
    UnknownFormat(u64),
    /// Not the JSON that was expected; the text says where.
    Malformed(String),
    /// Well-formed, but contradicts itself; the text says where.
    Invalid(String),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownFormat(found) => write!(f, "/format: unknown format {found}: expected {FORMAT}"),
            Self::Malformed(detail) | Self::Invalid(detail) => f.write_str(detail),
        }
    }
}

impl std::error::Error for ConfigError {}

impl<P: DeserializeOwned> SlotConfig<P> {
    /// Reads a slot's configuration. The format is looked at first, since another format may have other fields.
    pub fn from_json(json: &[u8]) -> Result<Self, ConfigError> {
        /// Only the field that every format has.
        #[derive(Deserialize)]
        struct Probe {
            format: u64,
        }
        let probe: Probe = read(json)?;
        if probe.format != u64::from(FORMAT) {
            return Err(ConfigError::UnknownFormat(probe.format));
        }
        let config: Self = read(json)?;
        config.check()?;
        Ok(config)
    }
}

impl<P> SlotConfig<P> {
    /// The slot has a name, its generation can be carried, and every rule names a policy and a route that are there.
    pub fn check(&self) -> Result<(), ConfigError> {
        check_slot(&self.slot)?;
        check_generation(self.generation)?;
        let is_known = &|name: &str| self.policies.contains_key(name);
        check_rules(&self.rules, &self.routes, is_known)
    }
}

fn check_rules(
    rules: &[Rule],
    routes: &[CompiledRoute],
    is_policy: &dyn Fn(&str) -> bool,
) -> Result<(), ConfigError> {
    for (index, rule) in rules.iter().enumerate() {
        if !is_policy(&rule.policy) {
            return Err(ConfigError::Invalid(format!(
                "/rules/{index}/policy: no policy {:?}",
                rule.policy
            )));
        }
        if let Some(route) = &rule.route
            && !routes.iter().any(|known| &known.name == route)
        {
            return Err(ConfigError::Invalid(format!(
                "/rules/{index}/route: no route {route:?}"
            )));
        }
    }
    Ok(())
}

fn check_slot(slot: &str) -> Result<(), ConfigError> {
    if slot.is_empty() || slot.len() > MAX_SLOT_BYTES {
        let length = slot.len();
        return Err(ConfigError::Invalid(format!(
            "/slot: {length} bytes: expected 1 to {MAX_SLOT_BYTES}"
        )));
    }
    Ok(())
}

fn check_generation(generation: u64) -> Result<(), ConfigError> {
    if generation >= INTEGER_LIMIT {
        return Err(ConfigError::Invalid(format!(
            "/generation: {generation}: expected less than 2^53"
        )));
    }
    Ok(())
}

/// The place of an error is a line and a column: this is compiled into filters, where tracking the path to a field
/// costs 40 KiB, and what a machine wrote is read by machines.
fn read<T: DeserializeOwned>(json: &[u8]) -> Result<T, ConfigError> {
    json::from_slice(json).map_err(|error| ConfigError::Malformed(error.to_string()))
}
