//! Requests in, events or refusals out.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod support;

use proptest::prelude::*;
use serde_json::{Value, json};
use support::{World, backend, cluster_resource, gateway, identity, shard_map, verifying_gateway};
use weir_core::node::GatewayRef;
use weir_core::refusal::{Outcome, Refusal};
use weir_core::state::State;

/// A world with a Gateway, two Backends and a map over them.
fn world() -> World {
    let mut world = World::default();
    world
        .apply(vec![
            gateway("edge"),
            backend("a", 9101),
            backend("b", 9102),
            shard_map("orders", "edge", &["a", "b"]),
        ])
        .unwrap();
    world
}

#[track_caller]
fn check(documents: Vec<Value>, expected: &[(usize, &str, &str)]) {
    let world = world();
    let before = world.state.clone();
    let Err(Refusal::Invalid(problems)) = world.state.plan(documents) else {
        panic!("taken")
    };
    let found: Vec<_> = problems
        .iter()
        .map(|one| {
            (
                one.document,
                one.problem.pointer.as_str(),
                one.problem.reason.as_str(),
            )
        })
        .collect();
    assert_eq!(found, expected);
    assert_eq!(world.state, before);
}

fn with(mut document: Value, pointer: &str, value: Value) -> Value {
    *document.pointer_mut(pointer).unwrap() = value;
    document
}

#[test]
fn what_is_named_must_be_there() {
    check(
        vec![shard_map("m", "edge", &["a", "missing"])],
        &[(0, "/spec/shards/1/backend", "unknown_backend")],
    );
    check(
        vec![shard_map("m", "nowhere", &["a"])],
        &[(0, "/spec/targetRefs/0/name", "unknown_target")],
    );
    let section = json!([{"group": "weir.dev", "kind": "Gateway", "name": "edge", "sectionName": "nix"}]);
    let map = with(shard_map("m", "edge", &["a"]), "/spec/targetRefs", section);
    check(
        vec![map],
        &[(0, "/spec/targetRefs/0/sectionName", "unknown_target")],
    );
    let routes = json!([{"name": "static", "backend": "missing"}]);
    check(
        vec![with(gateway("edge"), "/spec/routes", routes)],
        &[(0, "/spec/routes/0/backend", "unknown_backend")],
    );
}

#[test]
fn keys_come_from_a_backend_that_is_there() {
    let mut edge = verifying_gateway("edge", &["staff", "partners"]);
    let jwks = json!({"inline": r#"{"keys": [{"kty": "oct", "k": "AA"}]}"#});
    edge["spec"]["jwt"]["providers"][0]["jwks"] = jwks;
    check(
        vec![edge],
        &[(0, "/spec/jwt/providers/1/jwks/remote/backend", "unknown_backend")],
    );
}

#[test]
fn a_backend_that_keys_come_from_stays() {
    let mut world = world();
    world
        .apply(vec![backend("id", 9201), verifying_gateway("edge", &["staff"])])
        .unwrap();
    let users = vec![identity("Gateway", "edge")];
    let identity = identity("Backend", "id");
    let refusal = world.state.plan_delete(&identity, None).unwrap_err();
    assert_eq!(refusal, Refusal::InUse { identity, users });
    world.apply(vec![gateway("edge")]).unwrap();
    assert!(
        world
            .state
            .plan_delete(&support::identity("Backend", "id"), None)
            .is_ok()
    );
}

/// A route that names its Backend has no use for a shard.
#[test]
fn a_map_is_for_routes_without_a_backend() {
    let section = json!([{"group": "weir.dev", "kind": "Gateway", "name": "edge", "sectionName": "static"}]);
    let routes = json!([{"name": "static", "backend": "a"}]);
    let map = with(shard_map("m", "edge", &["a"]), "/spec/targetRefs", section);
    check(
        vec![with(gateway("edge"), "/spec/routes", routes), map],
        &[(1, "/spec/targetRefs/0/sectionName", "unknown_target")],
    );
}

#[test]
fn references_stay_in_their_namespace() {
    let elsewhere = with(
        backend("c", 9103),
        "/metadata",
        json!({"namespace": "other", "name": "c"}),
    );
    check(
        vec![elsewhere, shard_map("m", "edge", &["c"])],
        &[(1, "/spec/shards/0/backend", "unknown_backend")],
    );
}

#[test]
fn a_shard_has_one_primary() {
    let replicas = json!([{"address": "127.0.0.1", "port": 1}]);
    let without = with(backend("c", 9103), "/spec/endpoints", replicas.clone());
    check(
        vec![without, shard_map("m", "edge", &["c"])],
        &[(1, "/spec/shards/0/backend", "primary_count")],
    );
    check(
        vec![with(backend("a", 1), "/spec/endpoints", replicas)],
        &[(0, "/spec/endpoints", "primary_count")],
    );
}

#[test]
fn a_document_stands_once_in_a_request() {
    check(
        vec![backend("c", 1), backend("c", 2)],
        &[(1, "/metadata/name", "duplicate_document")],
    );
}

#[test]
fn problems_of_all_documents_are_reported() {
    check(
        vec![
            shard_map("m", "edge", &["x"]),
            backend("c", 1),
            shard_map("n", "nowhere", &["a"]),
        ],
        &[
            (0, "/spec/shards/0/backend", "unknown_backend"),
            (2, "/spec/targetRefs/0/name", "unknown_target"),
        ],
    );
}

#[test]
fn raw_resources_follow_envoys_schema() {
    let raw = |resource: Value| {
        json!({"apiVersion": "weir.dev/v1alpha1", "kind": "EnvoyResource", "metadata": {"name": "raw"},
               "spec": {"resource": resource}})
    };
    let cluster = "type.googleapis.com/envoy.config.cluster.v3.Cluster";
    check(
        vec![raw(json!({"@type": cluster, "name": "x", "lbPolice": "RANDOM"}))],
        &[(0, "/spec/resource", "invalid_resource")],
    );
    check(
        vec![raw(json!({"@type": cluster, "name": "x", "lbPolicy": 7.5}))],
        &[(0, "/spec/resource", "invalid_resource")],
    );
    check(
        vec![raw(json!({"@type": cluster, "name": "weir/x"}))],
        &[(0, "/spec/resource/name", "invalid_name")],
    );
    check(
        vec![raw(json!({"@type": cluster}))],
        &[(0, "/spec/resource", "invalid_resource")],
    );
    for duration in ["-1s", "-0.5s"] {
        check(
            vec![raw(
                json!({"@type": cluster, "name": "x", "connectTimeout": duration}),
            )],
            &[(0, "/spec/resource", "invalid_resource")],
        );
    }
    check(
        vec![cluster_resource("one", "x"), cluster_resource("two", "x")],
        &[
            (0, "/spec/resource", "duplicate_resource"),
            (1, "/spec/resource", "duplicate_resource"),
        ],
    );
}

#[test]
fn the_same_again_is_no_event() {
    let plan = world()
        .state
        .plan(vec![backend("a", 9101), backend("b", 9999)])
        .unwrap();
    let outcomes: Vec<_> = plan.documents.iter().map(|document| document.outcome).collect();
    assert_eq!(outcomes, [Outcome::Unchanged, Outcome::Changed]);
    assert_eq!(plan.changes.len(), 1);
}

#[test]
fn a_revision_in_the_document_must_be_the_current_one() {
    let at = |revision: u64| {
        with(
            backend("a", 1),
            "/metadata",
            json!({"name": "a", "revision": revision}),
        )
    };
    let world = world();
    assert!(world.state.plan(vec![at(2)]).is_ok());
    let refusal = world.state.plan(vec![at(1)]).unwrap_err();
    assert_eq!(
        refusal,
        Refusal::Stale {
            identity: identity("Backend", "a"),
            expected: 1,
            current: 2
        }
    );
}

#[test]
fn what_is_in_use_stays() {
    let world = world();
    let refusal = world
        .state
        .plan_delete(&identity("Backend", "a"), None)
        .unwrap_err();
    assert_eq!(
        refusal,
        Refusal::InUse {
            identity: identity("Backend", "a"),
            users: vec![identity("ShardMap", "orders")]
        }
    );
    assert!(
        world
            .state
            .plan_delete(&identity("ShardMap", "orders"), None)
            .is_ok()
    );
    assert!(
        world
            .state
            .plan_delete(&identity("Gateway", "edge"), None)
            .is_ok()
    );
    let missing = identity("Backend", "missing");
    assert_eq!(
        world.state.plan_delete(&missing, None),
        Err(Refusal::NotFound(missing))
    );
}

#[test]
fn a_route_that_is_a_target_stays() {
    let mut world = world();
    let section = json!([{"group": "weir.dev", "kind": "Gateway", "name": "edge", "sectionName": "all"}]);
    world
        .apply(vec![with(
            shard_map("m", "edge", &["a"]),
            "/spec/targetRefs",
            section,
        )])
        .unwrap();
    let renamed = with(gateway("edge"), "/spec/routes", json!([{"name": "every"}]));
    let Err(Refusal::Invalid(problems)) = world.state.plan(vec![renamed]) else {
        panic!("taken")
    };
    assert_eq!(problems[0].problem.pointer, "/spec/routes");
}

/// One step of a random history.
#[derive(Clone, Debug)]
enum Step {
    Map {
        name: u8,
        gateway: Option<u8>,
        shards: u8,
    },
    DeleteMap {
        name: u8,
    },
    Gateway {
        name: u8,
    },
    DeleteGateway {
        name: u8,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0u8..3, prop::option::of(0u8..2), 1u8..3).prop_map(|(name, gateway, shards)| Step::Map {
            name,
            gateway,
            shards
        }),
        (0u8..3).prop_map(|name| Step::DeleteMap { name }),
        (0u8..2).prop_map(|name| Step::Gateway { name }),
        (0u8..2).prop_map(|name| Step::DeleteGateway { name }),
    ]
}

fn take(world: &mut World, step: &Step) {
    let gateway_name = |name: u8| format!("gateway-{name}");
    // A step that is refused (a target that isn't there, say) is no part of the history.
    let _ = match step {
        Step::Map {
            name,
            gateway,
            shards,
        } => {
            let shards: Vec<&str> = ["a", "b", "c"].into_iter().take(usize::from(*shards)).collect();
            let mut map = shard_map(
                &format!("map-{name}"),
                &gateway_name(gateway.unwrap_or(0)),
                &shards,
            );
            if gateway.is_none() {
                map["spec"]["targetRefs"] = json!([]);
            }
            world.apply(vec![map])
        }
        Step::DeleteMap { name } => world.delete(&identity("ShardMap", &format!("map-{name}"))),
        Step::Gateway { name } => world.apply(vec![gateway(&gateway_name(*name))]),
        Step::DeleteGateway { name } => world.delete(&identity("Gateway", &gateway_name(*name))),
    };
}

fn slots(state: &State) -> Vec<(String, u64, String)> {
    let compiled = state
        .gateways()
        .flat_map(|gateway| weir_core::slot::compile(state, &gateway));
    compiled
        .map(|slot| {
            let mut config: Value = serde_json::from_str(&slot.json).unwrap();
            config["generation"] = Value::Null;
            (slot.name, slot.generation, config.to_string())
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A slot whose content changes has a higher generation, whatever happened, deletions included; and a replica
    /// that reads the same events has the same state.
    #[test]
    fn generations_grow_with_every_change(steps in prop::collection::vec(step(), 1..24)) {
        let mut world = World::default();
        world.apply(vec![backend("a", 1), backend("b", 2), backend("c", 3)]).unwrap();
        let mut highest = std::collections::BTreeMap::<String, (u64, String)>::new();
        for step in &steps {
            take(&mut world, step);
            for (name, generation, content) in slots(&world.state) {
                if let Some((last, old)) = highest.get(&name) {
                    prop_assert!(generation >= *last, "{} fell from {} to {}", name, last, generation);
                    prop_assert!(generation > *last || content == *old, "{} changed within generation {}", name, last);
                }
                highest.insert(name, (generation, content));
            }
        }
        let mut replica = State::default();
        for event in &world.events {
            replica.apply(event).unwrap();
        }
        prop_assert_eq!(&replica, &world.state);
        for name in ["gateway-0", "gateway-1"] {
            let gateway = GatewayRef::parse(&format!("default/{name}")).unwrap();
            prop_assert_eq!(replica.generation(&gateway), world.state.generation(&gateway));
        }
    }
}
