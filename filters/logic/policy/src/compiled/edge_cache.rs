//! The policy of the edge-cache filter: one CachePolicy, resolved.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{ConfigError, Rule, SlotConfig};
pub use crate::document::cache_policy::key::QueryParameters;
use crate::document::key::KeySource;
use crate::matching::RequestMatch;

/// A CachePolicy that is not off.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CompiledCachePolicy {
    /// It stores, decides and counts, and changes nothing for clients.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shadow: bool,
    /// Which requests have the same answer.
    pub key: CompiledCacheKey,
    /// For how long answers are fresh.
    pub ttl: CompiledTtl,
    /// For how long stale answers may be served, where the origin says nothing (RFC 5861).
    pub stale: CompiledStale,
    /// Request headers that `Vary` may name and that make no difference all the same, lower-case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vary_ignore: Vec<String>,
    /// Where answers name their tags.
    pub tags: CompiledTags,
    /// The targeted fields that this cache obeys, lower-case; the first that is there and valid counts, before
    /// `cache-control` (RFC 9213 section 2.2).
    pub targets: Vec<String>,
    /// What a CDN in front is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cdn: Option<CompiledCdn>,
    /// Requests with one of these headers pass by, lower-case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bypass_headers: Vec<String>,
    /// Requests with one of these cookies pass by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bypass_cookies: Vec<String>,
    /// Answers with `Set-Cookie` are stored too, that field with them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub store_set_cookie: bool,
    /// How much is kept.
    pub limits: CompiledCacheLimits,
    /// How requests for the same answer wait for one another.
    pub coalesce: CompiledCoalesce,
    /// Which answers are compressed in store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compress: Option<CompiledCompression>,
    /// The tier that all proxies share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tier2: Option<CompiledTier2>,
    /// The cluster of the proxy's own listener, for what is fetched before anybody asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm_cluster: Option<String>,
    /// A request of the cache's own (to validate what is stored, to fill) is given up after this.
    pub call_timeout_ms: u32,
}

impl SlotConfig<CompiledCachePolicy> {
    /// As [`SlotConfig::from_json`], compiled here, where a filter's build prefers size.
    pub fn read(json: &[u8]) -> Result<Self, ConfigError> {
        Self::from_json(json)
    }
}

/// Which requests have the same answer: same host, path, and all of this.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CompiledCacheKey {
    /// Another number is another cache: what was stored under the former is gone at once.
    pub version: u32,
    /// The ShardMaps whose keys are part of it; absent: clients with other keys share answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard_keys: Option<CompiledShardKeys>,
    /// The parameters of the query that are part of it.
    pub query: QueryParameters,
    /// Parameters in another order are the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sort_query: bool,
    /// Request headers that are part of it, lower-case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<String>,
    /// Only GET requests for a persisted GraphQL query are cached: those with `extensions.persistedQuery.sha256Hash`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub persisted_queries: bool,
}

/// The keys by which the Gateway's requests are sharded: the first rule that matches names the map.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CompiledShardKeys {
    /// The rules of the Gateway's shard-router.
    pub rules: Vec<Rule>,
    /// Where each map finds its key, by the name that rules have for it.
    pub maps: BTreeMap<String, Vec<KeySource>>,
}

/// For how long answers are fresh.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CompiledTtl {
    /// Of an answer that has no explicit lifetime; absent: heuristics if there are any, else it is not stored without a
    /// validator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default_ms: Option<u64>,
    /// A guess by `Last-Modified` (RFC 9111 section 4.2.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heuristic: Option<CompiledHeuristic>,
    /// No answer is fresh for longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_ms: Option<u64>,
    /// The first that matches counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<TtlRule>,
    /// For how long it is remembered that an answer could not be stored, so that requests for it don't wait for one another.
    pub hit_for_miss_ms: u64,
}

/// A guess by `Last-Modified`: this part of the time since then, and not more than the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CompiledHeuristic {
    /// Percent.
    pub percent: u32,
    /// The most.
    pub max_ms: u64,
}

/// A lifetime for some answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TtlRule {
    /// Answers with one of these; empty: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub statuses: Vec<u16>,
    /// Answers to these requests; absent: to any.
    #[serde(default, rename = "match", skip_serializing_if = "Option::is_none")]
    pub request_match: Option<RequestMatch>,
    /// The lifetime; 0: not stored.
    pub ttl_ms: u64,
    /// It counts even where the origin says otherwise; else only where it says nothing. Never for what must not be stored
    /// (`no-store`, `private`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub replaces_origin: bool,
}

/// For how long stale answers may be served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CompiledStale {
    /// While a fresh one is fetched behind the client's back.
    pub while_revalidate_ms: u64,
    /// Where the origin fails.
    pub if_error_ms: u64,
}

/// Where answers name their tags.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CompiledTags {
    /// Response headers with tags between spaces or commas, lower-case.
    pub headers: Vec<String>,
    /// Clients get these headers.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub forward: bool,
}

/// What a CDN in front is told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CompiledCdn {
    /// `CDN-Cache-Control` of answers that the origin gave none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<String>,
    /// `Surrogate-Control` of answers that the origin gave none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub surrogate_control: Option<String>,
    /// The header that names the tags: `surrogate-key` (between spaces) or `cache-tag` (between commas).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag_header: Option<String>,
}

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CompiledCacheLimits {
    /// A longer body passes through.
    pub object_bytes: u64,
    /// All objects of the process, their headers and what keeping them costs.
    pub total_bytes: u64,
    /// How many objects.
    pub objects: u32,
}

/// How requests for the same answer wait for one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CompiledCoalesce {
    /// How many wait for one answer, in each worker; 0: none does. Others go on.
    pub max_waiters: u32,
    /// How long they wait.
    pub timeout_ms: u32,
}

/// Which answers are compressed in store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CompiledCompression {
    /// Bodies of so many bytes or more.
    pub min_bytes: u64,
    /// Of these media types, lower-case: `text/html`, or `text/*`.
    pub types: Vec<String>,
}

/// The tier that all proxies share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CompiledTier2 {
    /// The cluster of `weir cache-tier`.
    pub cluster: String,
    /// A look-up is given up after this.
    pub timeout_ms: u32,
    /// A look-up may wait so long for another proxy that fetches the same; part of the timeout.
    pub wait_ms: u32,
}
