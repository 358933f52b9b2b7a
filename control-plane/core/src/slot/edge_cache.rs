//! The slot of the edge-cache filter: CachePolicies with clusters in place of Backends, and with the keys by which the
//! Gateway's requests are sharded.

use weir_policy::compiled::ConfigError;
use weir_policy::compiled::edge_cache::{
    CompiledCacheKey, CompiledCacheLimits, CompiledCachePolicy, CompiledCdn, CompiledCoalesce,
    CompiledCompression, CompiledHeuristic, CompiledShardKeys, CompiledStale, CompiledTags, CompiledTier2,
    CompiledTtl, TtlRule,
};
use weir_policy::document::cache_policy::CachePolicySpec;
use weir_policy::document::cache_policy::cdn::{CdnSpec, TagHeader};
use weir_policy::document::cache_policy::key::CacheKeySpec;
use weir_policy::document::cache_policy::tier2::Tier2Spec;
use weir_policy::document::cache_policy::ttl::{TtlRuleSpec, TtlSpec};
use weir_policy::document::gateway::Route;
use weir_policy::document::mode::Mode;
use weir_policy::document::{Document, Identity, Kind, Spec};
use weir_policy::quantity::Duration;

use super::shard_router::ShardRouter;
use super::{Attachment, SlotFilter, resolved, wait};
use crate::cluster_name::{backend_cluster, own_cluster};
use crate::node::GatewayRef;
use crate::state::State;

pub(super) struct EdgeCache;

impl SlotFilter for EdgeCache {
    const FILTER: &'static str = "edge-cache";
    const KIND: Kind = Kind::CachePolicy;
    const EXCLUSIVE: bool = true;
    const CONTROLLED: bool = true;
    type Spec = CachePolicySpec;
    type Policy = CompiledCachePolicy;

    fn spec(document: &Document) -> Option<&CachePolicySpec> {
        match &document.spec {
            Spec::CachePolicy(spec) if spec.mode != Mode::Off => Some(spec),
            _ => None,
        }
    }

    fn attachment(spec: &CachePolicySpec) -> Attachment<'_> {
        Attachment {
            targets: &spec.target_refs,
            matches: &spec.matches,
            priority: spec.priority,
        }
    }

    fn resolve(
        state: &State,
        gateway: &GatewayRef,
        _identity: &Identity,
        spec: &CachePolicySpec,
    ) -> CompiledCachePolicy {
        CompiledCachePolicy {
            shadow: spec.mode == Mode::Shadow,
            key: key(state, gateway, &spec.key),
            ttl: ttl(&spec.ttl),
            stale: CompiledStale {
                while_revalidate_ms: spec.stale.while_revalidate.as_millis(),
                if_error_ms: spec.stale.if_error.as_millis(),
            },
            vary_ignore: spec.vary.ignore.clone(),
            tags: CompiledTags {
                headers: spec.tags.headers.clone(),
                forward: spec.tags.forward,
            },
            targets: spec.target_names(),
            cdn: spec.cdn.as_ref().map(cdn),
            bypass_headers: spec.bypass.headers.clone(),
            bypass_cookies: spec.bypass.cookies.clone(),
            store_set_cookie: spec.store_set_cookie,
            limits: CompiledCacheLimits {
                object_bytes: spec.limits.object_size.as_bytes(),
                total_bytes: spec.limits.total_size.as_bytes(),
                objects: spec.limits.object_count(),
            },
            coalesce: CompiledCoalesce {
                max_waiters: spec.coalesce.max_waiters,
                timeout_ms: wait(spec.coalesce.timeout),
            },
            compress: spec.compression.as_ref().map(|compression| CompiledCompression {
                min_bytes: compression.min_size.as_bytes(),
                types: compression.types.clone(),
            }),
            tier2: spec.tier2.as_ref().map(|spec| tier2(gateway, spec)),
            warm_cluster: (!spec.warming.is_empty()).then(|| own_cluster(gateway)),
            call_timeout_ms: wait(spec.call_timeout),
        }
    }

    fn clusters(policy: &CompiledCachePolicy) -> Vec<String> {
        let tier2 = policy.tier2.iter().map(|tier2| &tier2.cluster);
        tier2.chain(&policy.warm_cluster).cloned().collect()
    }

    fn applies_to(_route: &Route) -> bool {
        true
    }

    fn verify(json: &[u8]) -> Result<(), ConfigError> {
        weir_http_cache::CacheSlot::from_json(json).map(|_| ())
    }
}

fn key(state: &State, gateway: &GatewayRef, spec: &CacheKeySpec) -> CompiledCacheKey {
    let shard_keys = (!spec.shared_across_keys).then(|| shard_keys(state, gateway));
    CompiledCacheKey {
        version: spec.version,
        shard_keys: shard_keys.flatten(),
        query: spec.query.clone(),
        sort_query: spec.sort_query,
        headers: spec.headers.clone(),
        persisted_queries: spec.graphql.is_some_and(|graphql| graphql.persisted_queries),
    }
}

/// The rules and keys of the Gateway's shard-router; none where nothing is sharded.
fn shard_keys(state: &State, gateway: &GatewayRef) -> Option<CompiledShardKeys> {
    let router = resolved::<ShardRouter>(state, gateway);
    let sources = router
        .policies
        .into_iter()
        .map(|(map, policy)| (map, policy.key_sources));
    let maps = sources.collect();
    (!router.rules.is_empty()).then_some(CompiledShardKeys {
        rules: router.rules,
        maps,
    })
}

fn ttl(spec: &TtlSpec) -> CompiledTtl {
    CompiledTtl {
        default_ms: spec.default.map(Duration::as_millis),
        heuristic: spec.heuristic.map(|heuristic| CompiledHeuristic {
            percent: heuristic.percent,
            max_ms: heuristic.max.as_millis(),
        }),
        max_ms: spec.max.map(Duration::as_millis),
        rules: spec.rules.iter().map(ttl_rule).collect(),
        hit_for_miss_ms: spec.hit_for_miss.as_millis(),
    }
}

fn ttl_rule(rule: &TtlRuleSpec) -> TtlRule {
    TtlRule {
        statuses: rule.statuses.clone(),
        request_match: rule.request_match.clone(),
        ttl_ms: rule.ttl.as_millis(),
        replaces_origin: rule.replaces_origin,
    }
}

fn cdn(spec: &CdnSpec) -> CompiledCdn {
    CompiledCdn {
        cache_control: spec.cache_control.clone(),
        surrogate_control: spec.surrogate_control.clone(),
        tag_header: spec.tag_header.map(TagHeader::as_str).map(str::to_owned),
    }
}

fn tier2(gateway: &GatewayRef, spec: &Tier2Spec) -> CompiledTier2 {
    CompiledTier2 {
        cluster: backend_cluster(&gateway.namespace, &spec.backend),
        timeout_ms: wait(spec.timeout),
        wait_ms: wait(spec.wait),
    }
}
