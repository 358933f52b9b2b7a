//! The slot of the shard-router filter: ShardMaps with clusters in place of Backends.

use weir_policy::compiled::ConfigError;
use weir_policy::compiled::shard_router::{CompiledShard, ShardMapPolicy};
use weir_policy::document::gateway::Route;
use weir_policy::document::shard_map::{ShardMapSpec, ShardSpec};
use weir_policy::document::{Document, Identity, Kind, Spec};

use super::{Attachment, SlotFilter};
use crate::cluster_name::{ClusterRole, shard_cluster};
use crate::node::GatewayRef;
use crate::state::State;

pub(super) struct ShardRouter;

impl SlotFilter for ShardRouter {
    const FILTER: &'static str = "shard-router";
    const KIND: Kind = Kind::ShardMap;
    const EXCLUSIVE: bool = true;
    const CONTROLLED: bool = false;
    type Spec = ShardMapSpec;
    type Policy = ShardMapPolicy;

    fn spec(document: &Document) -> Option<&ShardMapSpec> {
        match &document.spec {
            Spec::ShardMap(spec) => Some(spec),
            _ => None,
        }
    }

    fn attachment(spec: &ShardMapSpec) -> Attachment<'_> {
        Attachment {
            targets: &spec.target_refs,
            matches: &spec.matches,
            priority: spec.priority,
        }
    }

    fn resolve(
        _state: &State,
        _gateway: &GatewayRef,
        identity: &Identity,
        spec: &ShardMapSpec,
    ) -> ShardMapPolicy {
        ShardMapPolicy {
            key_sources: spec.key.sources.clone(),
            on_missing_key: spec.key.on_missing_key.clone(),
            max_key_bytes: u32::try_from(spec.key.max_size.as_bytes()).unwrap_or(u32::MAX),
            strategy: spec.strategy.clone(),
            reads: spec.reads,
            shards: spec
                .shards
                .iter()
                .map(|shard| compiled(identity, shard))
                .collect(),
        }
    }

    fn clusters(policy: &ShardMapPolicy) -> Vec<String> {
        policy
            .shards
            .iter()
            .flat_map(|shard| [shard.read_cluster.clone(), shard.write_cluster.clone()])
            .collect()
    }

    /// A route that names its Backend needs no shard, and no key.
    fn applies_to(route: &Route) -> bool {
        route.backend.is_none()
    }

    fn verify(json: &[u8]) -> Result<(), ConfigError> {
        weir_shard_map::ShardRouter::from_json(json).map(|_| ())
    }
}

fn compiled(map: &Identity, shard: &ShardSpec) -> CompiledShard {
    CompiledShard {
        name: shard.name.clone(),
        weight: shard.weight,
        read_cluster: shard_cluster(map, &shard.name, ClusterRole::Read),
        write_cluster: shard_cluster(map, &shard.name, ClusterRole::Write),
    }
}
