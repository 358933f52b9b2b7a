//! Clusters: which ones a Gateway's proxies have, and whose endpoints they are.

use std::collections::BTreeSet;

use weir_policy::document::cache_policy::CachePolicySpec;
use weir_policy::document::gateway::GatewaySpec;
use weir_policy::document::mode::Mode;
use weir_policy::document::shard_map::{ShardMapSpec, ShardSpec};
use weir_policy::document::{Document, Identity, Kind, Spec};
use weir_policy::name::Name;

pub use crate::cluster_name::ClusterRole;
use crate::cluster_name::{backend_cluster, shard_cluster};
use crate::node::GatewayRef;
use crate::reference::gateway_spec;
use crate::state::State;

/// One cluster of a Gateway's proxies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterUse {
    /// As Envoy knows it.
    pub name: String,
    /// The Backend whose endpoints it has, in the Gateway's namespace.
    pub backend: Name,
    /// The shard that it belongs to, and for what; none: all of the Backend.
    pub shard: Option<(Name, ClusterRole)>,
}

/// The clusters of every ShardMap that is attached to the Gateway, and of every Backend that it names itself, or that a
/// CachePolicy in force names as the tier of all proxies.
pub fn of_gateway(state: &State, gateway: &GatewayRef) -> Vec<ClusterUse> {
    let maps = state.of_kind(&gateway.namespace, Kind::ShardMap);
    let shards = maps.flat_map(|(identity, stored)| match &stored.document.spec {
        Spec::ShardMap(map) if is_attached(&stored.document, gateway) => of_map(identity, map),
        _ => Vec::new(),
    });
    let backends: BTreeSet<&Name> = own_backends(state, gateway)
        .chain(tiers(state, gateway))
        .collect();
    let of_backend = |backend: &Name| ClusterUse {
        name: backend_cluster(&gateway.namespace, backend),
        backend: backend.clone(),
        shard: None,
    };
    shards.chain(backends.into_iter().map(of_backend)).collect()
}

/// Whether one of a policy's targets is the Gateway, or a route of it.
pub(crate) fn is_attached(document: &Document, gateway: &GatewayRef) -> bool {
    let targets = document.target_refs();
    targets.is_empty() || targets.iter().any(|target| target.name == gateway.name)
}

fn of_map(map: &Identity, spec: &ShardMapSpec) -> Vec<ClusterUse> {
    let of_shard = |shard: &ShardSpec| {
        [ClusterRole::Read, ClusterRole::Write].map(|role| ClusterUse {
            name: shard_cluster(map, &shard.name, role),
            backend: shard.backend.clone(),
            shard: Some((shard.name.clone(), role)),
        })
    };
    spec.shards.iter().flat_map(of_shard).collect()
}

fn own_backends<'a>(state: &'a State, gateway: &GatewayRef) -> impl Iterator<Item = &'a Name> {
    gateway_spec(state, gateway)
        .into_iter()
        .flat_map(GatewaySpec::backends)
}

fn tiers<'a>(state: &'a State, gateway: &'a GatewayRef) -> impl Iterator<Item = &'a Name> {
    caches(state, gateway).filter_map(|policy| policy.tier2.as_ref().map(|tier2| &tier2.backend))
}

/// Whether a CachePolicy in force has the Gateway's proxies fetch what nobody has asked for yet.
pub(crate) fn has_warming(state: &State, gateway: &GatewayRef) -> bool {
    caches(state, gateway).any(|policy| !policy.warming.is_empty())
}

/// The CachePolicies in force that are attached to the Gateway.
fn caches<'a>(state: &'a State, gateway: &'a GatewayRef) -> impl Iterator<Item = &'a CachePolicySpec> {
    let policies = state.of_kind(&gateway.namespace, Kind::CachePolicy);
    policies.filter_map(|(_, stored)| match &stored.document.spec {
        Spec::CachePolicy(policy) if policy.mode != Mode::Off && is_attached(&stored.document, gateway) => {
            Some(policy.as_ref())
        }
        _ => None,
    })
}
