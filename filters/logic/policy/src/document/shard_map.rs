//! ShardMap: how a key finds its shard.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::document::key::KeySpec;
use crate::document::target_ref::{TargetRef, check_target_refs};
use crate::matching::RequestMatch;
use crate::name::Name;
use crate::problem::Problems;

/// The most shards that one map may have.
pub const MAX_SHARDS: usize = 4_096;
/// The largest weight of a shard.
pub const MAX_WEIGHT: u32 = 1_000;
/// The largest sum of weights: 150 virtual nodes each stay within a few MiB per worker.
pub const MAX_TOTAL_WEIGHT: u32 = 10_000;

/// How a key finds its shard, and what the shards are.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ShardMapSpec {
    /// What the map is attached to; empty: every Gateway of the namespace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub target_refs: Vec<TargetRef>,
    /// Which requests it is for: any of these; empty: every request.
    #[serde(default, rename = "match", skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<RequestMatch>,
    /// Among maps attached at the same level the higher priority wins.
    #[serde(default)]
    pub priority: i32,
    /// Where the key is found.
    pub key: KeySpec,
    /// How the key's shard is chosen.
    pub strategy: Strategy,
    /// The shards; their order has no meaning.
    pub shards: Vec<ShardSpec>,
    /// Where requests with a safe method go.
    #[serde(default)]
    pub reads: Reads,
}

/// How a key's shard is chosen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Strategy {
    /// A consistent hash ring with virtual nodes.
    Hash(HashStrategy),
}

/// A consistent hash ring.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HashStrategy {
    /// The placement algorithm; a name never changes its meaning.
    pub algorithm: RingAlgorithm,
}

/// A placement algorithm, named and versioned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum RingAlgorithm {
    /// xxh3-64, 150 virtual nodes per unit of weight.
    #[serde(rename = "ring-v1")]
    RingV1,
}

/// Where requests with a safe method (RFC 9110 section 9.2.1) go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum Reads {
    /// To the shard's `read` cluster: replicas first, the primary when none is healthy.
    #[default]
    Replicas,
    /// To the primary, like writes.
    Primary,
}

/// One shard.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ShardSpec {
    /// Unique in the map. Placement follows the name: a renamed shard moves its keys.
    pub name: Name,
    /// Its share of the keys, relative to the other shards: 1 to 1000.
    #[serde(default = "one")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 1000)))]
    pub weight: u32,
    /// The Backend whose endpoints are this shard's primary and replicas.
    pub backend: Name,
}

const fn one() -> u32 {
    1
}

impl ShardMapSpec {
    pub(crate) fn check(&self, problems: &mut Problems) {
        check_target_refs(&self.target_refs, problems);
        problems.within("match", |problems| {
            for (index, request_match) in self.matches.iter().enumerate() {
                problems.within(index, |problems| request_match.check(problems));
            }
        });
        problems.within("key", |problems| {
            self.key.check(problems, |shard| {
                self.shards.iter().any(|known| &known.name == shard)
            })
        });
        problems.within("shards", |problems| check_shards(&self.shards, problems));
    }
}

fn check_shards(shards: &[ShardSpec], problems: &mut Problems) {
    if shards.is_empty() {
        problems.note("empty_map", "a map needs at least one shard");
    }
    if shards.len() > MAX_SHARDS {
        problems.note(
            "too_many_shards",
            format!("{} shards: expected at most {MAX_SHARDS}", shards.len()),
        );
    }
    let total: u64 = shards.iter().map(|shard| u64::from(shard.weight)).sum();
    if total > u64::from(MAX_TOTAL_WEIGHT) {
        problems.note(
            "weight_out_of_range",
            format!("the weights sum to {total}: expected at most {MAX_TOTAL_WEIGHT}"),
        );
    }
    let mut seen = BTreeSet::new();
    for (index, shard) in shards.iter().enumerate() {
        problems.within(index, |problems| {
            if !seen.insert(&shard.name) {
                problems.note_at(
                    "name",
                    "duplicate_shard",
                    format!("duplicate shard \"{}\"", shard.name),
                );
            }
            if !(1..=MAX_WEIGHT).contains(&shard.weight) {
                problems.note_at(
                    "weight",
                    "weight_out_of_range",
                    format!("weight {}: expected 1 to {MAX_WEIGHT}", shard.weight),
                );
            }
        });
    }
}
