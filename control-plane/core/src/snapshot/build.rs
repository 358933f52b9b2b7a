//! From the state to the snapshot of one kind of node.

use std::sync::Arc;

use weir_policy::document::shard_map::ShardMapSpec;
use weir_policy::document::{Document, Identity, Kind, Spec};
use weir_policy::name::Name;

use super::{ResourceType, Snapshot, View, cluster, endpoint, listener, route, wasm};
use crate::cluster_name::{ClusterRole, backend_cluster, shard_cluster};
use crate::module::ModuleCatalog;
use crate::node::{GatewayRef, NodeKind};
use crate::reference::{backend, gateway_spec};
use crate::state::State;
use crate::{raw, slot};

/// What nodes of `kind` get in this state. What hasn't changed is shared with the view that they had before.
pub fn view(state: &State, modules: &ModuleCatalog, kind: &NodeKind, before: Option<&View>) -> View {
    let share = |snapshot: Snapshot| match before {
        Some(View::Assigned(older) | View::Unassigned(older)) => Arc::new(snapshot.sharing(older)),
        Some(View::Gone) | None => Arc::new(snapshot),
    };
    match &kind.gateway {
        Some(gateway) if state.is_gone(gateway) => View::Gone,
        Some(gateway) if gateway_spec(state, gateway).is_some() => {
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
    add_shards(state, gateway, &mut snapshot);
    add_routes(state, gateway, &mut snapshot);
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

/// The clusters of every ShardMap that is attached to the Gateway.
fn add_shards(state: &State, gateway: &GatewayRef, snapshot: &mut Snapshot) {
    for (identity, stored) in state.of_kind(&gateway.namespace, Kind::ShardMap) {
        if let Spec::ShardMap(map) = &stored.document.spec
            && is_attached(&stored.document, gateway)
        {
            add_map(state, identity, map, snapshot);
        }
    }
}

fn is_attached(document: &Document, gateway: &GatewayRef) -> bool {
    let targets = document.target_refs();
    targets.is_empty() || targets.iter().any(|target| target.name == gateway.name)
}

fn add_map(state: &State, identity: &Identity, map: &ShardMapSpec, snapshot: &mut Snapshot) {
    for shard in &map.shards {
        let Some(spec) = backend(state, &identity.namespace, &shard.backend) else {
            continue;
        };
        for role in [ClusterRole::Read, ClusterRole::Write] {
            let name = shard_cluster(identity, &shard.name, role);
            snapshot.insert(ResourceType::Endpoint, endpoint::of_shard(&name, spec, role));
            snapshot.insert(ResourceType::Cluster, cluster::cluster(&name, spec));
        }
    }
}

/// Listeners, route tables, and the clusters that routes name themselves.
fn add_routes(state: &State, gateway: &GatewayRef, snapshot: &mut Snapshot) {
    let Some(gateway_spec) = gateway_spec(state, gateway) else {
        return;
    };
    for name in gateway_spec
        .routes
        .iter()
        .filter_map(|route| route.backend.as_ref())
    {
        add_backend(state, &gateway.namespace, name, snapshot);
    }
    for port in &gateway_spec.listeners {
        snapshot.insert(ResourceType::Listener, listener::listener(gateway, port));
        snapshot.insert(
            ResourceType::Route,
            route::table(gateway, port.port, &gateway_spec.routes),
        );
    }
}

fn add_backend(state: &State, namespace: &Name, name: &Name, snapshot: &mut Snapshot) {
    let Some(spec) = backend(state, namespace, name) else {
        return;
    };
    let cluster_name = backend_cluster(namespace, name);
    snapshot.insert(ResourceType::Endpoint, endpoint::of_backend(&cluster_name, spec));
    snapshot.insert(ResourceType::Cluster, cluster::cluster(&cluster_name, spec));
}
