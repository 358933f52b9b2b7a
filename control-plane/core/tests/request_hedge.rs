//! HedgePolicies, as the proxies of a Gateway get them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod support;

use std::sync::Arc;

use envoy_types::pb::envoy::config::cluster::v3::Cluster;
use envoy_types::pb::envoy::config::listener::v3::Listener;
use envoy_types::pb::envoy::config::listener::v3::filter::ConfigType;
use envoy_types::pb::envoy::config::route::v3::route::Action;
use envoy_types::pb::envoy::config::route::v3::{RetryPolicy, RouteConfiguration};
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;
use proptest::prelude::*;
use prost::Message;
use serde_json::{Value, json};
use support::{World, backend, cache_policy, gateway, hedge_policy, identity, shard_map};
use weir_core::module::{Module, ModuleCatalog};
use weir_core::node::{GatewayRef, NodeKind};
use weir_core::refusal::Refusal;
use weir_core::slot::{CompiledSlot, compile, filters};
use weir_core::snapshot::{ResourceType, Snapshot, View, view};
use weir_core::status::Statuses;
use weir_policy::compiled::SlotConfig;
use weir_policy::compiled::request_hedge::CompiledHedgePolicy;
use weir_policy::document::hedge_policy::MAX_REQUEST_BODY;

const EDGE: &str = "default/edge";
const SLOT: &str = "weir/default/edge/request-hedge";
const READ: &str = "weir/default/orders/a/read";
const WRITE: &str = "weir/default/orders/a/write";

fn edge() -> GatewayRef {
    GatewayRef::parse(EDGE).unwrap()
}

fn reads(spec: &Value) -> Value {
    hedge_policy("reads", spec)
}

/// A Gateway with a map of one shard, whose Backend ejects endpoints.
fn sharded() -> Vec<Value> {
    let mut ejecting = backend("a", 9101);
    ejecting["spec"]["outlierDetection"] = json!({});
    vec![gateway("edge"), ejecting, shard_map("orders", "edge", &["a"])]
}

fn world(more: Vec<Value>) -> World {
    let mut world = World::default();
    for documents in [sharded(), more] {
        world.apply(documents).unwrap();
    }
    world
}

fn slot_of(world: &World, filter: &str) -> CompiledSlot {
    let slots = compile(&world.state, &edge());
    let slot = slots.into_iter().find(|slot| slot.filter == filter).unwrap();
    slot.verify().unwrap();
    slot
}

fn config(world: &World) -> Value {
    serde_json::from_str(&slot_of(world, "request-hedge").json).unwrap()
}

fn policy(world: &World) -> Value {
    config(world)["policies"]["default/reads"].clone()
}

/// What the proxies of the Gateway get.
fn snapshot(world: &World) -> Arc<Snapshot> {
    snapshot_since(world, None)
}

fn snapshot_since(world: &World, before: Option<&Arc<Snapshot>>) -> Arc<Snapshot> {
    let module = |filter: &str| Module {
        sha256: format!("{filter}-digest"),
        size: 1,
    };
    let catalog = ModuleCatalog {
        modules: filters()
            .map(|filter| (filter.to_owned(), module(filter)))
            .collect(),
    };
    let kind = NodeKind {
        gateway: GatewayRef::parse(EDGE),
        modules_dir: "/modules".to_owned(),
    };
    let before = before.map(|snapshot| View::Assigned(Arc::clone(snapshot)));
    match view(&world.state, &catalog, &kind, before.as_ref()) {
        View::Assigned(snapshot) => snapshot,
        other => panic!("{other:?}"),
    }
}

fn cluster(snapshot: &Snapshot, name: &str) -> Cluster {
    Cluster::decode(snapshot.of(ResourceType::Cluster)[name].body.value.as_slice()).unwrap()
}

fn connection_manager(snapshot: &Snapshot) -> HttpConnectionManager {
    let body = &snapshot.of(ResourceType::Listener)["weir/default/edge/10000"].body;
    let listener = Listener::decode(body.value.as_slice()).unwrap();
    let limit = listener.per_connection_buffer_limit_bytes.unwrap().value;
    assert_eq!(u64::from(limit), MAX_REQUEST_BODY.as_bytes());
    let Some(ConfigType::TypedConfig(config)) = &listener.filter_chains[0].filters[0].config_type else {
        panic!("no configuration")
    };
    HttpConnectionManager::decode(config.value.as_slice()).unwrap()
}

/// The names of the HTTP filters.
fn chain(snapshot: &Snapshot) -> Vec<String> {
    let filters = connection_manager(snapshot).http_filters;
    filters.into_iter().map(|filter| filter.name).collect()
}

/// The name and the retry policy of each route.
fn retries(snapshot: &Snapshot) -> Vec<(String, Option<RetryPolicy>)> {
    let body = &snapshot.of(ResourceType::Route)["weir/default/edge/10000"].body;
    let table = RouteConfiguration::decode(body.value.as_slice()).unwrap();
    let routes = table.virtual_hosts.into_iter().flat_map(|host| host.routes);
    let retry = |action: Option<Action>| match action {
        Some(Action::Route(action)) => action.retry_policy,
        other => panic!("{other:?}"),
    };
    routes.map(|route| (route.name, retry(route.action))).collect()
}

#[test]
fn a_policy_without_a_word_has_the_defaults() {
    let expected = json!({
        "quantilePpm": 980_000, "minDelayMs": 2, "maxDelayMs": 10_000,
        "budget": {"ppm": 20_000, "minPerSecond": 10},
        "methods": ["GET", "HEAD", "OPTIONS"],
        "maxRequestBodyBytes": 65_536,
        "overload": {"errorPpm": 200_000, "latencyFactorPpm": 2_000_000},
        "maxRetries": 1,
        "clusters": [READ],
        "routeTimeoutsMs": {"all": 15_000},
    });
    let config = config(&world(vec![reads(&json!({}))]));
    let whole = json!({
        "format": 1, "slot": SLOT, "generation": 4, "routes": [{"name": "all"}],
        "rules": [{"policy": "default/reads"}], "policies": {"default/reads": expected},
    });
    assert_eq!(config, whole);
}

#[test]
fn everything_that_is_said_is_told() {
    let spec = json!({
        "mode": "shadow", "quantile": 0.9, "minDelay": "10ms", "maxDelay": "200ms", "coldStart": "50ms",
        "budget": {"percent": 0.5, "minPerSecond": 3}, "methods": ["GET"],
        "idempotent": {"headers": ["idempotency-key"]}, "maxRequestBody": "16KiB",
        "overload": {"errorPercent": 12.5, "latencyFactor": 1.5},
    });
    let expected = json!({
        "shadow": true, "quantilePpm": 900_000, "minDelayMs": 10, "maxDelayMs": 200, "coldStartDelayMs": 50,
        "budget": {"ppm": 5_000, "minPerSecond": 3}, "methods": ["GET"],
        "idempotentHeaders": ["idempotency-key"], "maxRequestBodyBytes": 16_384,
        "overload": {"errorPpm": 125_000, "latencyFactorPpm": 1_500_000},
        "maxRetries": 1, "clusters": [READ], "routeTimeoutsMs": {"all": 15_000},
    });
    assert_eq!(policy(&world(vec![reads(&spec)])), expected);
}

/// A primary is never asked twice: neither by a write, nor by a read that goes to it, nor by a route to a whole Backend.
#[test]
fn only_clusters_of_replicas_are_named() {
    let mut at_primary = shard_map("at-primary", "edge", &["a"]);
    at_primary["spec"]["reads"] = json!("primary");
    let mut other = gateway("other");
    other["spec"]["listeners"] = json!([{"port": 10001}]);
    let mut edge = gateway("edge");
    edge["spec"]["routes"] = json!([
        {"name": "whole", "backend": "b", "match": [{"path": {"type": "Prefix", "value": "/b"}}]},
        {"name": "all", "timeout": "3s"},
    ]);
    let world = world(vec![
        edge,
        other,
        backend("b", 9201),
        backend("c", 9301),
        at_primary,
        shard_map("elsewhere", "other", &["c"]),
        shard_map("users", "edge", &["c", "b"]),
        reads(&json!({})),
    ]);
    let policy = policy(&world);
    let users = ["weir/default/users/b/read", "weir/default/users/c/read"];
    assert_eq!(policy["clusters"], json!([READ, users[0], users[1]]));
    assert_eq!(policy["routeTimeoutsMs"], json!({"all": 3_000}));
    assert_eq!(
        config(&world)["rules"],
        json!([{"policy": "default/reads", "route": "all"}])
    );
}

#[test]
fn a_slot_waits_for_the_clusters_that_are_ready_for_it() {
    let snapshot = snapshot(&world(vec![reads(&json!({}))]));
    let slot = &snapshot.of(ResourceType::ExtensionConfig)[SLOT];
    assert_eq!(slot.clusters.iter().collect::<Vec<_>>(), [READ]);
    let text = String::from_utf8_lossy(&slot.body.value).into_owned();
    assert!(text.contains("/modules/request-hedge-digest.wasm") && text.contains("weir.request-hedge"));
}

#[test]
fn one_policy_wins_and_one_that_never_does_says_so() {
    let mut world = world(vec![
        reads(&json!({})),
        hedge_policy("second", &json!({"priority": -1})),
    ]);
    assert_eq!(config(&world)["rules"][0]["policy"], "default/reads");
    let second = identity("HedgePolicy", "second");
    let status = |world: &World| {
        let stored = world.state.get(&second).unwrap();
        Statuses::of(&world.state).answer(&second, stored)["status"]["attachments"][0].clone()
    };
    assert_eq!(status(&world)["shadowedBy"], "default/reads");
    world
        .apply(vec![hedge_policy("second", &json!({"priority": 1}))])
        .unwrap();
    assert_eq!(config(&world)["rules"][0]["policy"], "default/second");
    assert_eq!(status(&world).get("shadowedBy"), None);
}

#[test]
fn a_gateway_without_a_policy_gets_what_it_got_before() {
    let away = json!({"targetRefs": [{"group": "weir.dev", "kind": "Gateway", "name": "other"}]});
    let world = world(vec![gateway("other"), reads(&away)]);
    let snapshot = snapshot(&world);
    assert_eq!(retries(&snapshot), [("all".to_owned(), None)]);
    let cluster = cluster(&snapshot, READ);
    assert_eq!(cluster.circuit_breakers.unwrap().thresholds[0].retry_budget, None);
    let outlier = cluster.outlier_detection.unwrap();
    assert!(!outlier.split_external_local_origin_errors);
    assert_eq!(outlier.enforcing_consecutive_local_origin_failure, None);
    assert_eq!(outlier.enforcing_local_origin_success_rate, None);
}

/// So that no connection is drained.
#[test]
fn the_first_policy_changes_no_listener() {
    let (plain, hedged) = (
        snapshot(&world(Vec::new())),
        snapshot(&world(vec![reads(&json!({}))])),
    );
    let listeners = |snapshot: &Snapshot| snapshot.of(ResourceType::Listener).clone();
    assert_eq!(listeners(&plain), listeners(&hedged));
}

#[test]
fn its_filter_is_the_last_before_the_router() {
    let names = chain(&snapshot(&world(vec![reads(&json!({}))])));
    let last = names.len() - 1;
    assert_eq!(
        (&*names[last - 2], &*names[last - 1], &*names[last]),
        ("weir/default/edge/edge-cache", SLOT, "envoy.filters.http.router")
    );
}

#[test]
fn second_tries_eject_nobody_and_are_bounded_once_more() {
    let plain = snapshot(&world(Vec::new()));
    let hedged = snapshot(&world(vec![reads(&json!({}))]));
    assert_eq!(cluster(&hedged, WRITE), cluster(&plain, WRITE), "never hedged");
    let read = cluster(&hedged, READ);
    let outlier = read.outlier_detection.unwrap();
    assert!(outlier.split_external_local_origin_errors);
    let off = |number: Option<envoy_types::pb::google::protobuf::UInt32Value>| number.unwrap().value == 0;
    assert!(off(outlier.enforcing_consecutive_local_origin_failure));
    assert!(off(outlier.enforcing_local_origin_success_rate));
    assert_eq!(outlier.consecutive_5xx.unwrap().value, 5);
    let budget = read.circuit_breakers.unwrap().thresholds[0].retry_budget.unwrap();
    assert_eq!(budget.budget_percent.unwrap().value, 20.0);
    assert_eq!(budget.min_retry_concurrency.unwrap().value, 16);
    assert_eq!(budget.budget_interval, None);
}

#[test]
fn a_policy_that_allows_more_is_not_stopped_earlier() {
    let allows = |name: &str, percent: f64| hedge_policy(name, &json!({"budget": {"percent": percent}}));
    let world = world(vec![allows("a", 30.5), allows("b", 25.0), allows("c", 1.0)]);
    let read = cluster(&snapshot(&world), READ);
    let budget = read.circuit_breakers.unwrap().thresholds[0].retry_budget.unwrap();
    assert_eq!(budget.budget_percent.unwrap().value, 30.5);
}

#[test]
fn a_backend_that_ejects_nobody_goes_on_doing_so() {
    let world = world(vec![backend("a", 9101), reads(&json!({}))]);
    assert_eq!(cluster(&snapshot(&world), READ).outlier_detection, None);
}

#[test]
fn second_tries_leave_at_once_and_for_another_host() {
    let mut edge = gateway("edge");
    edge["spec"]["routes"] = json!([{"name": "whole", "backend": "a",
        "match": [{"path": {"type": "Exact", "value": "/a"}}]}, {"name": "all"}]);
    let world = world(vec![edge, reads(&json!({}))]);
    let [(whole, none), (all, Some(policy))] = &retries(&snapshot(&world))[..] else {
        panic!("other routes")
    };
    assert_eq!((whole.as_str(), none, all.as_str()), ("whole", &None, "all"));
    assert_eq!(policy.retry_on, "", "no condition of its own");
    assert!(policy.retriable_status_codes.is_empty());
    assert_eq!(policy.num_retries.unwrap().value, 0);
    let predicates: Vec<&str> = policy.retry_host_predicate.iter().map(|one| &*one.name).collect();
    assert_eq!(predicates, ["envoy.retry_host_predicates.previous_hosts"]);
    assert!(policy.host_selection_retry_max_attempts >= 3);
    let back_off = policy.retry_back_off.as_ref().unwrap().base_interval.unwrap();
    assert_eq!((back_off.seconds, back_off.nanos), (0, 1_000_000));
}

/// So that a switch costs no connection: nothing but the slot is another.
#[test]
fn another_mode_changes_the_slot_and_nothing_else() {
    let mut world = world(vec![reads(&json!({}))]);
    let mut before = snapshot(&world);
    for mode in ["off", "shadow", "enforce"] {
        world.apply(vec![reads(&json!({"mode": mode}))]).unwrap();
        let after = snapshot_since(&world, Some(&before));
        for resource_type in ResourceType::ALL {
            let (old, new) = (before.of(resource_type), after.of(resource_type));
            if resource_type == ResourceType::ExtensionConfig {
                assert_ne!(old[SLOT], new[SLOT]);
            } else {
                assert!(
                    old.values()
                        .zip(new.values())
                        .all(|(old, new)| Arc::ptr_eq(old, new))
                );
                assert_eq!(old.len(), new.len());
            }
        }
        before = after;
    }
}

#[test]
fn a_policy_that_is_off_is_not_in_the_slot() {
    let world = world(vec![reads(&json!({"mode": "off"}))]);
    let config = config(&world);
    assert_eq!((&config["rules"], &config["policies"]), (&json!([]), &json!({})));
}

#[test]
fn a_target_is_a_route_of_shards() {
    let target = |section: &str| {
        reads(&json!({"targetRefs": [
            {"group": "weir.dev", "kind": "Gateway", "name": "edge", "sectionName": section}]}))
    };
    let mut edge = gateway("edge");
    edge["spec"]["routes"] = json!([{"name": "whole", "backend": "a"}, {"name": "all"}]);
    let mut world = world(vec![edge.clone(), target("all")]);
    assert_eq!(
        config(&world)["rules"],
        json!([{"policy": "default/reads", "route": "all"}])
    );
    let refused = |result: Result<(), Refusal>| match result {
        Err(Refusal::Invalid(problems)) => {
            let found = &problems[0].problem;
            (found.pointer.clone(), found.reason.clone())
        }
        other => panic!("{other:?}"),
    };
    let expected = (
        "/spec/targetRefs/0/sectionName".to_owned(),
        "unknown_target".to_owned(),
    );
    assert_eq!(refused(world.apply(vec![target("whole")])), expected);
    assert_eq!(refused(world.apply(vec![target("nowhere")])), expected);
    edge["spec"]["routes"][1]["backend"] = json!("a");
    let expected = ("/spec/routes".to_owned(), "route_in_use".to_owned());
    assert_eq!(refused(world.apply(vec![edge])), expected);
}

#[test]
fn another_timeout_or_shard_is_another_generation() {
    let mut world = world(vec![backend("b", 9201), reads(&json!({}))]);
    let mut last = slot_of(&world, "request-hedge");
    let mut edge = gateway("edge");
    edge["spec"]["routes"][0]["timeout"] = json!("2s");
    for change in [edge, shard_map("orders", "edge", &["a", "b"])] {
        world.apply(vec![change]).unwrap();
        let now = slot_of(&world, "request-hedge");
        assert!(now.generation > last.generation && now.json != last.json);
        last = now;
    }
    assert_eq!(policy(&world)["routeTimeoutsMs"]["all"], 2_000);
    assert_eq!(policy(&world)["clusters"].as_array().unwrap().len(), 2);
}

/// Targets, match and priority of a policy.
fn attachment() -> impl Strategy<Value = Value> {
    let target = prop_oneof![
        Just(json!([])),
        Just(json!([{"group": "weir.dev", "kind": "Gateway", "name": "edge"}])),
        Just(json!([{"group": "weir.dev", "kind": "Gateway", "name": "edge", "sectionName": "all"}])),
    ];
    let matches = prop_oneof![
        Just(json!([])),
        Just(json!([{"host": "*.example.com"}, {"host": "a.example.com"}])),
        Just(json!([{"path": {"type": "Prefix", "value": "/a"}}])),
        Just(json!([{"path": {"type": "Exact", "value": "/a"}, "methods": ["GET"]}])),
    ];
    (target, matches, -1..=1_i32).prop_map(
        |(target, matches, priority)| json!({"targetRefs": target, "match": matches, "priority": priority}),
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is attached how: who wins a request is who would win it among CachePolicies.
    #[test]
    fn precedence_is_that_of_cache_policies(specs in prop::collection::vec(attachment(), 1..6)) {
        let both = |(index, spec): (usize, &Value)| {
            let name = format!("p{index}");
            [cache_policy(&name, spec), hedge_policy(&name, spec)]
        };
        let world = world(specs.iter().enumerate().flat_map(both).collect());
        let [cache, hedge] = ["edge-cache", "request-hedge"].map(|filter| slot_of(&world, filter));
        let rules = |slot: &CompiledSlot| slot.alone["rules"].clone();
        prop_assert_eq!(rules(&hedge), rules(&cache));
        prop_assert_eq!(&hedge.shadowed, &cache.shadowed);
    }

    /// Every document that is taken becomes a configuration that the filter takes, and says the same there.
    #[test]
    fn what_is_compiled_is_what_a_filter_reads(
        quantile in 1_u32..10_000,
        delays in (1_u32..=60_000, 1_u32..=60_000),
        waits in any::<bool>(),
        percent in 0_u32..=1_000_000,
        min_per_second in 0_u32..=10_000,
        overload in (10_000_u32..=1_000_000, 11_000_u32..=1_000_000),
    ) {
        let (min, max) = (delays.0.min(delays.1), delays.0.max(delays.1));
        let fraction = |steps: u32| f64::from(steps) / 10_000.0;
        let world = world(vec![reads(&json!({
            "quantile": fraction(quantile), "minDelay": format!("{min}ms"), "maxDelay": format!("{max}ms"),
            "coldStart": if waits { "wait".to_owned() } else { format!("{max}ms") },
            "budget": {"percent": fraction(percent), "minPerSecond": min_per_second},
            "overload": {"errorPercent": fraction(overload.0), "latencyFactor": fraction(overload.1)},
        }))]);
        let slot = slot_of(&world, "request-hedge");
        let config = SlotConfig::<CompiledHedgePolicy>::read(slot.json.as_bytes()).unwrap();
        let policy = &config.policies["default/reads"];
        prop_assert_eq!((policy.min_delay_ms, policy.max_delay_ms), (min, max));
        prop_assert_eq!(policy.cold_start_delay_ms, (!waits).then_some(max));
        prop_assert_eq!((policy.quantile_ppm, policy.budget.ppm), (quantile * 100, percent));
        prop_assert_eq!(policy.budget.min_per_second, min_per_second);
        prop_assert_eq!(policy.overload.error_ppm, overload.0);
        prop_assert_eq!(policy.overload.latency_factor_ppm, overload.1 * 100);
        prop_assert_eq!(serde_json::to_value(&config).unwrap(), slot.alone);
    }
}
