//! The state machine against a model Envoy: random snapshots, refusals, delays and reconnects.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod envoy;
mod world;

use proptest::prelude::*;
use weir_core::snapshot::{Resource, ResourceType, version_info};

use world::{Fault, SnapshotSpec, Spec, Step, World, fault, snapshot};

/// Good content mostly, and what `bad` gives.
fn content(bad: std::ops::Range<u8>) -> BoxedStrategy<u8> {
    if bad.is_empty() {
        (0..5u8).boxed()
    } else {
        prop_oneof![6 => 0..5u8, 1 => bad].boxed()
    }
}

fn resource(bad: std::ops::Range<u8>) -> impl Strategy<Value = Spec> + Clone {
    let content = content(bad);
    prop::option::weighted(0.7, (content, 0..32u8))
}

fn spec(bad: std::ops::Range<u8>) -> impl Strategy<Value = SnapshotSpec> {
    let one = || resource(bad.clone());
    (
        [one(), one(), one(), one(), one()],
        [one(), one()],
        [one(), one()],
        [one(), one()],
        0..3u8,
    )
        .prop_map(|(clusters, listeners, routes, slots, endpoints)| SnapshotSpec {
            clusters,
            listeners,
            routes,
            slots,
            endpoints,
        })
}

fn step(bad: std::ops::Range<u8>, reconnects: u32) -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => spec(bad).prop_map(Step::Change),
        6 => (1..6u8).prop_map(Step::ToEnvoy),
        6 => (1..6u8).prop_map(Step::ToServer),
        3 => (0..8_000u16).prop_map(Step::Wait),
        reconnects => Just(Step::Reconnect),
        1 => Just(Step::Leave),
    ]
}

fn history(bad: std::ops::Range<u8>, reconnects: u32) -> impl Strategy<Value = (SnapshotSpec, Vec<Step>)> {
    (
        spec(bad.clone()),
        prop::collection::vec(step(bad, reconnects), 0..60),
    )
}

fn play(start: &SnapshotSpec, steps: &[Step]) -> World {
    let mut world = World::new(snapshot(start, 0));
    for step in steps {
        world.step(step, 0);
    }
    world
}

/// Clusters that the target lacks stay when they are still named, or when it is not known who names them, since
/// something that the target lacks is asked for, or when the proxy had clusters that the stream can't know of.
fn may_stay(world: &World, cluster: &str) -> bool {
    let mut asked = world.envoy.asked().into_iter();
    let lacking = asked.any(|(resource_type, name)| !world.target.of(resource_type).contains_key(&name));
    lacking || !world.strange.is_empty() || !world.envoy.users(cluster).is_empty()
}

fn assert_converged(world: &World) {
    let clusters = world.envoy.of(ResourceType::Cluster);
    let wanted = world.target.of(ResourceType::Cluster);
    assert!(
        wanted
            .iter()
            .all(|(name, resource)| clusters.get(name) == Some(resource))
    );
    assert!(
        clusters
            .keys()
            .all(|name| wanted.contains_key(name) || may_stay(world, name))
    );
    assert_eq!(
        &world.envoy.of(ResourceType::Listener),
        world.target.of(ResourceType::Listener)
    );
    let listeners = world.target.of(ResourceType::Listener);
    for (resource_type, initial) in [(ResourceType::Route, "r"), (ResourceType::ExtensionConfig, "e")] {
        let names: Vec<String> = listeners.keys().map(|name| name.replace('l', initial)).collect();
        for (name, resource) in world
            .target
            .of(resource_type)
            .iter()
            .filter(|(name, _)| names.contains(name))
        {
            assert_eq!(world.envoy.of(resource_type).get(name), Some(resource));
        }
    }
    for (name, endpoints) in world.target.of(ResourceType::Endpoint) {
        assert_eq!(world.envoy.of(ResourceType::Endpoint).get(name), Some(endpoints));
    }
}

fn assert_recorded(world: &World) {
    for (resource_type, status) in &world.status {
        assert_eq!(status.sent, status.acked, "{resource_type:?}");
        assert!(status.refused.is_empty(), "{resource_type:?} {status:?}");
    }
    let listeners = &world.status[&ResourceType::Listener];
    assert_eq!(
        listeners.acked,
        version_info(world.target.of(ResourceType::Listener).values())
    );
}

/// Envoy has all of its clusters.
fn is_free(world: &World, resource: &Resource) -> bool {
    let clusters = world.envoy.of(ResourceType::Cluster);
    let wanted = world.target.of(ResourceType::Cluster);
    let mut clusters_named = resource.clusters.iter();
    clusters_named.all(|name| !wanted.contains_key(name) || clusters.contains_key(name))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever happened before, a proxy that takes all gets to the target, and the records say so.
    #[test]
    fn all_that_is_good_arrives((start, steps) in history(5..6, 2), end in spec(0..0)) {
        let mut world = play(&start, &steps);
        world.change(snapshot(&end, 1));
        world.settle(20);
        assert_converged(&world);
        assert_recorded(&world);
    }

    /// So it does when whole sets were refused on the way, which on a fresh stream may hold back more than the guilty.
    #[test]
    fn refused_sets_are_got_over((start, steps) in history(5..7, 0), end in spec(0..0)) {
        let mut world = play(&start, &steps);
        world.change(snapshot(&end, 1));
        world.settle(20);
        assert_converged(&world);
        assert_recorded(&world);
    }

    /// A refusal that names nobody holds all back that came with the guilty, until it changes.
    #[test]
    fn nameless_refusals_are_got_over((start, steps) in history(5..8, 0), end in spec(0..0)) {
        let mut world = play(&start, &steps);
        for salt in 1..3 {
            world.change(snapshot(&end, salt));
            world.settle(20);
        }
        assert_converged(&world);
        assert_recorded(&world);
    }

    /// Without refusals nothing is lost, however often the stream breaks.
    #[test]
    fn reconnects_do_no_harm((start, steps) in history(0..0, 6), end in spec(0..0)) {
        let mut world = play(&start, &steps);
        world.change(snapshot(&end, 0));
        world.settle(20);
        assert_converged(&world);
        assert_recorded(&world);
    }

    /// Content that is refused holds up nothing but itself and what names it.
    #[test]
    fn refused_content_stays_alone((start, steps) in history(5..7, 0), end in spec(5..7)) {
        let mut world = play(&start, &steps);
        world.change(snapshot(&end, 0));
        world.settle(40);
        for resource_type in [ResourceType::Cluster, ResourceType::Listener] {
            let in_force = world.envoy.of(resource_type);
            let refused = world.status.get(&resource_type).map(|status| status.refused.clone());
            let refused = refused.unwrap_or_default();
            let wanted = world.target.of(resource_type).iter();
            for (name, resource) in wanted.filter(|(_, resource)| is_free(&world, resource)) {
                if fault(resource).is_some() {
                    prop_assert!(refused.contains(name), "{name} is not listed as refused");
                } else {
                    prop_assert_eq!(in_force.get(name), Some(resource));
                }
            }
        }
    }
}

/// The model itself knows all three kinds of faults.
#[test]
fn faults_are_told_apart() {
    let faults: Vec<_> = (4..8u8)
        .map(|content| {
            let spec = SnapshotSpec {
                clusters: [Some((content, 0)), None, None, None, None],
                listeners: [None; 2],
                routes: [None; 2],
                slots: [None; 2],
                endpoints: 0,
            };
            fault(&snapshot(&spec, 0).of(ResourceType::Cluster)["c0"])
        })
        .collect();
    assert_eq!(
        faults,
        [
            None,
            Some(Fault::Alone),
            Some(Fault::Whole),
            Some(Fault::Nameless)
        ]
    );
}
