//! From the state to the snapshot of one kind of node.

use std::sync::Arc;

use super::route::Routes;
use super::{ResourceType, Snapshot, View, cluster as resource, endpoint, listener, route, wasm};
use crate::cluster::{self, ClusterRole, ClusterUse};
use crate::cluster_name::own_cluster;
use crate::hedge::{self, Hedging};
use crate::module::ModuleCatalog;
use crate::node::{GatewayRef, NodeKind};
use crate::state::State;
use crate::{raw, reference, slot};

/// What nodes of `kind` get in this state. What hasn't changed is shared with the view that they had before.
pub fn view(state: &State, modules: &ModuleCatalog, kind: &NodeKind, before: Option<&View>) -> View {
    let share = |snapshot: Snapshot| match before {
        Some(View::Assigned(older) | View::Unassigned(older)) => Arc::new(snapshot.sharing(older)),
        Some(View::Gone) | None => Arc::new(snapshot),
    };
    match &kind.gateway {
        Some(gateway) if state.is_gone(gateway) => View::Gone,
        Some(gateway) if reference::gateway_spec(state, gateway).is_some() => {
            View::Assigned(share(of_gateway(state, modules, gateway, &kind.modules_dir)))
        }
        _ => View::Unassigned(share(for_everyone(state))),
    }
}

fn for_everyone(state: &State) -> Snapshot {
    let mut snapshot = Snapshot::default();
    raw::add(state, None, &mut snapshot);
    snapshot
}

fn of_gateway(state: &State, modules: &ModuleCatalog, gateway: &GatewayRef, modules_dir: &str) -> Snapshot {
    let mut snapshot = Snapshot::default();
    let hedging = hedge::of_gateway(state, gateway);
    add_clusters(state, gateway, hedging, &mut snapshot);
    add_own_cluster(state, gateway, &mut snapshot);
    add_routes(state, gateway, hedging, &mut snapshot);
    for slot in slot::compile(state, gateway) {
        if let Some(module) = modules.modules.get(slot.filter) {
            snapshot.insert(
                ResourceType::ExtensionConfig,
                wasm::slot(&slot, &format!("{modules_dir}/{}", module.file_name())),
            );
        }
    }
    raw::add(state, Some(gateway), &mut snapshot);
    snapshot
}

/// Only a shard's replicas are asked twice.
fn add_clusters(state: &State, gateway: &GatewayRef, hedging: Option<Hedging>, snapshot: &mut Snapshot) {
    for ClusterUse { name, backend, shard } in cluster::of_gateway(state, gateway) {
        let Some(spec) = reference::backend(state, &gateway.namespace, &backend) else {
            continue;
        };
        let role = shard.map(|(_, role)| role);
        let endpoints = match role {
            Some(role) => endpoint::of_shard(&name, spec, role),
            None => endpoint::of_backend(&name, spec),
        };
        let hedging = hedging.filter(|_| role == Some(ClusterRole::Read));
        snapshot.insert(ResourceType::Endpoint, endpoints);
        snapshot.insert(ResourceType::Cluster, resource::cluster(&name, spec, hedging));
    }
}

/// The way of a proxy to itself, where a policy has it fetch what nobody has asked for yet.
fn add_own_cluster(state: &State, gateway: &GatewayRef, snapshot: &mut Snapshot) {
    let listener = reference::gateway_spec(state, gateway).and_then(|spec| spec.listeners.first());
    if let Some(listener) = listener
        && cluster::has_warming(state, gateway)
    {
        let cluster = resource::own_cluster(&own_cluster(gateway), listener);
        snapshot.insert(ResourceType::Cluster, cluster);
    }
}

/// Listeners and route tables.
fn add_routes(state: &State, gateway: &GatewayRef, hedging: Option<Hedging>, snapshot: &mut Snapshot) {
    let Some(gateway_spec) = reference::gateway_spec(state, gateway) else {
        return;
    };
    let routes = Routes {
        routes: &gateway_spec.routes,
        hedged: hedging.is_some(),
    };
    for port in &gateway_spec.listeners {
        let listener = listener::listener(gateway, port, gateway_spec.jwt.as_ref());
        snapshot.insert(ResourceType::Listener, listener);
        snapshot.insert(ResourceType::Route, route::table(gateway, port.port, routes));
    }
}
