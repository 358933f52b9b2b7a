//! The slot of the request-hedge filter: HedgePolicies with the clusters whose requests may be sent twice, and with the
//! timeouts of their routes.

use std::collections::{BTreeMap, BTreeSet};

use weir_policy::compiled::request_hedge::{CompiledBudget, CompiledHedgePolicy, CompiledOverload};
use weir_policy::compiled::shard_router::ShardMapPolicy;
use weir_policy::compiled::{ConfigError, SlotConfig};
use weir_policy::document::gateway::Route;
use weir_policy::document::hedge_policy::HedgePolicySpec;
use weir_policy::document::mode::Mode;
use weir_policy::document::shard_map::Reads;
use weir_policy::document::{Document, Identity, Kind, Spec};
use weir_route_match::Selector;

use super::shard_router::ShardRouter;
use super::{Attachment, SlotFilter, gateway_routes, resolved, wait};
use crate::hedge;
use crate::node::GatewayRef;
use crate::state::State;

pub(super) struct RequestHedge;

impl SlotFilter for RequestHedge {
    const FILTER: &'static str = "request-hedge";
    const KIND: Kind = Kind::HedgePolicy;
    const EXCLUSIVE: bool = true;
    const CONTROLLED: bool = false;
    type Spec = HedgePolicySpec;
    type Policy = CompiledHedgePolicy;

    fn spec(document: &Document) -> Option<&HedgePolicySpec> {
        match &document.spec {
            Spec::HedgePolicy(spec) if spec.mode != Mode::Off => Some(spec),
            _ => None,
        }
    }

    fn attachment(spec: &HedgePolicySpec) -> Attachment<'_> {
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
        spec: &HedgePolicySpec,
    ) -> CompiledHedgePolicy {
        CompiledHedgePolicy {
            shadow: spec.mode == Mode::Shadow,
            quantile_ppm: spec.quantile.as_ppm(),
            min_delay_ms: wait(spec.min_delay),
            max_delay_ms: wait(spec.max_delay),
            cold_start_delay_ms: spec.cold_start.delay().map(wait),
            budget: CompiledBudget {
                ppm: spec.budget.percent.percent_as_ppm(),
                min_per_second: spec.budget.min_per_second,
            },
            methods: spec.methods.clone(),
            idempotent_headers: spec.idempotent.headers.clone(),
            max_request_body_bytes: spec.max_request_body.as_bytes(),
            overload: CompiledOverload {
                error_ppm: spec.overload.error_percent.percent_as_ppm(),
                latency_factor_ppm: spec.overload.latency_factor.as_ppm(),
            },
            max_retries: hedge::ROUTE_RETRIES + 1,
            clusters: read_clusters(state, gateway),
            route_timeouts_ms: route_timeouts(gateway_routes(state, gateway)),
        }
    }

    /// Its requests wait until the proxy has clusters that are ready for them.
    fn clusters(policy: &CompiledHedgePolicy) -> Vec<String> {
        policy.clusters.clone()
    }

    /// What is sent twice goes to another replica of the same shard.
    fn applies_to(route: &Route) -> bool {
        ShardRouter::applies_to(route)
    }

    fn verify(json: &[u8]) -> Result<(), ConfigError> {
        let config = SlotConfig::<CompiledHedgePolicy>::read(json)?;
        Selector::try_new(&config).map(|_| ())
    }
}

/// The clusters of replicas that the Gateway's shard-router sends requests to.
fn read_clusters(state: &State, gateway: &GatewayRef) -> Vec<String> {
    let maps = resolved::<ShardRouter>(state, gateway).policies;
    let replicated = |map: &ShardMapPolicy| map.reads == Reads::Replicas;
    let shards = maps.into_values().filter(replicated).flat_map(|map| map.shards);
    let clusters: BTreeSet<String> = shards.map(|shard| shard.read_cluster).collect();
    clusters.into_iter().collect()
}

fn route_timeouts(routes: &[Route]) -> BTreeMap<String, u64> {
    let sharded = routes.iter().filter(|route| RequestHedge::applies_to(route));
    sharded
        .map(|route| (route.name.to_string(), route.timeout.as_millis()))
        .collect()
}
