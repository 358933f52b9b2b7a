//! The policy of the shard-router filter: one ShardMap, resolved.

use serde::{Deserialize, Serialize};

use crate::document::key::{KeySource, OnMissingKey};
use crate::document::shard_map::{Reads, Strategy};
use crate::name::Name;

/// A ShardMap with its clusters' names in place of its Backends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ShardMapPolicy {
    /// Tried in this order.
    pub key_sources: Vec<KeySource>,
    /// What happens to a request without a key.
    pub on_missing_key: OnMissingKey,
    /// A longer key is refused.
    pub max_key_bytes: u32,
    /// How a key's shard is chosen.
    pub strategy: Strategy,
    /// Where requests with a safe method go.
    pub reads: Reads,
    /// The shards.
    pub shards: Vec<CompiledShard>,
}

/// One shard and its clusters, by name as Envoy knows them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CompiledShard {
    /// The shard's name.
    pub name: Name,
    /// Its share of the keys.
    pub weight: u32,
    /// The cluster for reads.
    pub read_cluster: String,
    /// The cluster for writes.
    pub write_cluster: String,
}
