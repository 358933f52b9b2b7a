//! States in, snapshots out.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod support;

use std::sync::Arc;

use envoy_types::pb::envoy::config::core::v3::TypedExtensionConfig;
use envoy_types::pb::envoy::config::endpoint::v3::ClusterLoadAssignment;
use envoy_types::pb::envoy::config::route::v3::RouteConfiguration;
use prost::Message;
use serde_json::{Value, json};
use support::{World, backend, cluster_resource, gateway, identity, shard_map};
use weir_core::module::{Module, ModuleCatalog};
use weir_core::node::{GatewayRef, NodeKind};
use weir_core::snapshot::{Resource, ResourceType, Snapshot, View, version_info, view};

const DIGEST: &str = "0123";

fn catalog() -> ModuleCatalog {
    let module = Module {
        sha256: DIGEST.to_owned(),
        size: 1,
    };
    ModuleCatalog {
        modules: [("shard-router".to_owned(), module)].into(),
    }
}

fn kind(cluster: &str) -> NodeKind {
    NodeKind {
        gateway: GatewayRef::parse(cluster),
        modules_dir: "/modules".to_owned(),
    }
}

fn look(world: &World, cluster: &str) -> View {
    view(&world.state, &catalog(), &kind(cluster), None)
}

fn assigned(world: &World, cluster: &str) -> Arc<Snapshot> {
    match look(world, cluster) {
        View::Assigned(snapshot) => snapshot,
        other => panic!("{other:?}"),
    }
}

fn names(snapshot: &Snapshot, resource_type: ResourceType) -> Vec<&str> {
    snapshot.of(resource_type).keys().map(String::as_str).collect()
}

fn world() -> World {
    let mut world = World::default();
    world
        .apply(vec![
            gateway("edge"),
            backend("a", 9101),
            shard_map("orders", "edge", &["a"]),
        ])
        .unwrap();
    world
}

fn resource<'a>(snapshot: &'a Snapshot, resource_type: ResourceType, name: &str) -> &'a Resource {
    &snapshot.of(resource_type)[name]
}

#[test]
fn a_gateway_has_clusters_endpoints_a_listener_routes_and_a_slot() {
    let snapshot = assigned(&world(), "default/edge");
    let clusters = ["weir/default/orders/a/read", "weir/default/orders/a/write"];
    assert_eq!(names(&snapshot, ResourceType::Cluster), clusters);
    assert_eq!(names(&snapshot, ResourceType::Endpoint), clusters);
    assert_eq!(
        names(&snapshot, ResourceType::Listener),
        ["weir/default/edge/10000"]
    );
    assert_eq!(names(&snapshot, ResourceType::Route), ["weir/default/edge/10000"]);
    assert_eq!(
        names(&snapshot, ResourceType::ExtensionConfig),
        ["weir/default/edge/shard-router"]
    );
    let slot = resource(
        &snapshot,
        ResourceType::ExtensionConfig,
        "weir/default/edge/shard-router",
    );
    assert_eq!(
        slot.clusters.iter().map(String::as_str).collect::<Vec<_>>(),
        clusters
    );
    let message = TypedExtensionConfig::decode(slot.body.value.as_slice()).unwrap();
    let text = String::from_utf8_lossy(&message.typed_config.unwrap().value).into_owned();
    assert!(text.contains(&format!("/modules/{DIGEST}.wasm")), "{text}");
}

fn ports_by_priority(snapshot: &Snapshot, cluster: &str) -> Vec<(u32, Vec<String>)> {
    let body = &resource(snapshot, ResourceType::Endpoint, cluster).body;
    let assignment = ClusterLoadAssignment::decode(body.value.as_slice()).unwrap();
    let hosts = |locality: &envoy_types::pb::envoy::config::endpoint::v3::LocalityLbEndpoints| {
        let ports = locality
            .lb_endpoints
            .iter()
            .map(|endpoint| format!("{endpoint:?}"));
        ports
            .map(|text| {
                text.split("PortValue(")
                    .nth(1)
                    .unwrap()
                    .split(')')
                    .next()
                    .unwrap()
                    .to_owned()
            })
            .collect()
    };
    assignment
        .endpoints
        .iter()
        .map(|locality| (locality.priority, hosts(locality)))
        .collect()
}

#[test]
fn reads_go_to_replicas_first_and_writes_to_the_primary_only() {
    let snapshot = assigned(&world(), "default/edge");
    let port = |port: &str| vec![port.to_owned()];
    assert_eq!(
        ports_by_priority(&snapshot, "weir/default/orders/a/read"),
        [(0, port("9102")), (1, port("9101"))]
    );
    assert_eq!(
        ports_by_priority(&snapshot, "weir/default/orders/a/write"),
        [(0, port("9101"))]
    );
}

#[test]
fn nodes_without_a_gateway_get_what_is_for_everyone() {
    let mut world = world();
    world.apply(vec![cluster_resource("raw", "extra")]).unwrap();
    for cluster in ["", "nonsense", "default/other", "other/edge", "a/b/c"] {
        let View::Unassigned(snapshot) = look(&world, cluster) else {
            panic!("{cluster}")
        };
        assert_eq!(names(&snapshot, ResourceType::Cluster), ["extra"]);
        assert!(names(&snapshot, ResourceType::Listener).is_empty());
    }
    assert!(names(&assigned(&world, "default/edge"), ResourceType::Cluster).contains(&"extra"));
}

#[test]
fn a_raw_resource_with_targets_is_for_these_only() {
    let mut world = world();
    let mut raw = cluster_resource("raw", "extra");
    raw["spec"]["targetRefs"] = json!([{"group": "weir.dev", "kind": "Gateway", "name": "edge"}]);
    world.apply(vec![gateway("other"), raw]).unwrap();
    assert!(names(&assigned(&world, "default/edge"), ResourceType::Cluster).contains(&"extra"));
    assert!(names(&assigned(&world, "default/other"), ResourceType::Cluster).is_empty());
    let View::Unassigned(snapshot) = look(&world, "") else {
        panic!("assigned")
    };
    assert!(names(&snapshot, ResourceType::Cluster).is_empty());
}

#[test]
fn a_deleted_gateway_is_gone_until_it_is_created_again() {
    let mut world = world();
    world.delete(&identity("Gateway", "edge")).unwrap();
    assert_eq!(look(&world, "default/edge"), View::Gone);
    world.apply(vec![gateway("edge")]).unwrap();
    assert!(matches!(look(&world, "default/edge"), View::Assigned(_)));
}

#[test]
fn the_same_state_gives_the_same_bytes_and_versions() {
    let (one, two) = (
        assigned(&world(), "default/edge"),
        assigned(&world(), "default/edge"),
    );
    assert_eq!(one, two);
    for resource_type in ResourceType::ALL {
        let version = |snapshot: &Snapshot| version_info(snapshot.of(resource_type).values());
        assert_eq!(version(&one), version(&two));
    }
}

#[test]
fn a_changed_endpoint_changes_its_endpoints_and_nothing_else() {
    let mut world = world();
    let before = assigned(&world, "default/edge");
    world.apply(vec![backend("a", 9301)]).unwrap();
    let known = View::Assigned(Arc::clone(&before));
    let View::Assigned(after) = view(&world.state, &catalog(), &kind("default/edge"), Some(&known)) else {
        panic!("not assigned")
    };
    assert_ne!(
        before.of(ResourceType::Endpoint),
        after.of(ResourceType::Endpoint)
    );
    for unchanged in [
        ResourceType::Cluster,
        ResourceType::Listener,
        ResourceType::Route,
        ResourceType::ExtensionConfig,
    ] {
        let pairs = before.of(unchanged).values().zip(after.of(unchanged).values());
        assert!(pairs.clone().count() > 0);
        assert!(
            pairs.into_iter().all(|(old, new)| Arc::ptr_eq(old, new)),
            "{unchanged:?}"
        );
    }
}

/// The routes of each virtual host, in order.
fn virtual_hosts(world: &World) -> Value {
    let snapshot = assigned(world, "default/edge");
    let body = &resource(&snapshot, ResourceType::Route, "weir/default/edge/10000").body;
    let table = RouteConfiguration::decode(body.value.as_slice()).unwrap();
    let routes = |host: &envoy_types::pb::envoy::config::route::v3::VirtualHost| -> Vec<String> {
        host.routes.iter().map(|route| route.name.clone()).collect()
    };
    table
        .virtual_hosts
        .iter()
        .map(|host| (host.domains[0].clone(), json!(routes(host))))
        .collect()
}

#[test]
fn every_virtual_host_has_the_routes_that_its_hosts_can_take_in_order() {
    let mut world = world();
    let on = |name: &str, host: &str| json!({"name": name, "match": [{"host": host}]});
    let mut edge = gateway("edge");
    edge["spec"]["routes"] = json!([
        on("exact", "API.example.com"),
        on("deep", "*.eu.example.com"),
        {"name": "middle"},
        on("wide", "*.example.com"),
        on("other", "example.com"),
    ]);
    world.apply(vec![edge]).unwrap();
    assert_eq!(
        virtual_hosts(&world),
        json!({
            "*": ["middle"],
            "*.eu.example.com": ["deep", "middle", "wide"],
            "*.example.com": ["middle", "wide"],
            "api.example.com": ["exact", "middle", "wide"],
            "example.com": ["middle", "other"],
        })
    );
}
