//! CachePolicies, as the proxies of a Gateway get them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod support;

use serde_json::{Value, json};
use support::{World, backend, cache_policy, gateway, identity, shard_map};
use weir_core::cluster::of_gateway;
use weir_core::event::Revision;
use weir_core::module::{Module, ModuleCatalog};
use weir_core::node::{GatewayRef, NodeKind};
use weir_core::refusal::Refusal;
use weir_core::slot::{CompiledSlot, compile, filters, has_policies};
use weir_core::snapshot::{ResourceType, View, view};
use weir_policy::compiled::SlotConfig;
use weir_policy::compiled::edge_cache::CompiledCachePolicy;

const EDGE: &str = "default/edge";

fn edge() -> GatewayRef {
    GatewayRef::parse(EDGE).unwrap()
}

fn world(documents: Vec<Value>) -> World {
    let mut world = World::default();
    world.apply(documents).unwrap();
    world
}

fn slot(world: &World) -> CompiledSlot {
    let slots = compile(&world.state, &edge());
    let slot = slots
        .into_iter()
        .find(|slot| slot.filter == "edge-cache")
        .unwrap();
    slot.verify().unwrap();
    slot
}

fn config(world: &World) -> Value {
    serde_json::from_str(&slot(world).json).unwrap()
}

/// The one policy, as the filter reads it.
fn policy(world: &World) -> CompiledCachePolicy {
    let config = SlotConfig::<CompiledCachePolicy>::read(slot(world).json.as_bytes()).unwrap();
    config.policies["default/pages"].clone()
}

fn pages(spec: &Value) -> Value {
    cache_policy("pages", spec)
}

#[test]
fn it_stands_behind_the_others() {
    assert_eq!(
        filters().collect::<Vec<_>>(),
        ["rate-limit", "shard-router", "edge-cache", "request-hedge"]
    );
}

#[test]
fn a_policy_without_a_word_has_the_defaults() {
    let world = world(vec![gateway("edge"), pages(&json!({}))]);
    let expected = json!({
        "key": {"version": 1, "query": "all"},
        "ttl": {"hitForMissMs": 10_000},
        "stale": {"whileRevalidateMs": 0, "ifErrorMs": 0},
        "tags": {"headers": ["surrogate-key", "cache-tag"]},
        "targets": ["weir-cache-control", "cdn-cache-control"],
        "limits": {"objectBytes": 1 << 20, "totalBytes": 64 << 20, "objects": 65_536},
        "coalesce": {"maxWaiters": 1_000, "timeoutMs": 5_000},
        "callTimeoutMs": 10_000,
    });
    let config = config(&world);
    assert_eq!(config["policies"], json!({ "default/pages": expected }));
    assert_eq!(config["control"], json!({"cluster": "weir-control"}));
    assert_eq!(config["rules"], json!([{"policy": "default/pages"}]));
}

#[test]
fn everything_that_is_said_is_told() {
    let spec = json!({
        "mode": "shadow",
        "key": {"sharedAcrossKeys": true, "version": 7, "query": {"except": ["utm_*"]}, "sortQuery": true,
                "headers": ["x-device"], "graphql": {}},
        "ttl": {"default": "30s", "heuristic": null, "max": "7d", "hitForMiss": "0ms",
                "rules": [{"statuses": [404], "match": {"methods": ["GET"]}, "ttl": "10s", "replacesOrigin": true}]},
        "stale": {"whileRevalidate": "30s", "ifError": "1h"},
        "vary": {"ignore": ["user-agent"]},
        "tags": {"headers": ["x-tags"], "forward": true},
        "targets": ["Edge-Cache-Control"],
        "cdn": {"cacheControl": "max-age=60", "surrogateControl": "max-age=61", "tagHeader": "cache-tag"},
        "bypass": {"headers": ["x-preview"], "cookies": ["session"]},
        "storeSetCookie": true,
        "limits": {"objectSize": "1KiB", "totalSize": "1MiB", "objects": 9},
        "coalesce": {"maxWaiters": 0, "timeout": "2s"},
        "compression": {"minSize": "2KiB", "types": ["text/*"]},
        "tier2": {"backend": "tier", "timeout": "30ms", "wait": "10ms"},
        "callTimeout": "3s",
    });
    let world = world(vec![gateway("edge"), backend("tier", 9300), pages(&spec)]);
    let expected = json!({
        "shadow": true,
        "key": {"version": 7, "query": {"except": ["utm_*"]}, "sortQuery": true, "headers": ["x-device"],
                "persistedQueries": true},
        "ttl": {"defaultMs": 30_000, "maxMs": 604_800_000, "hitForMissMs": 0,
                "rules": [{"statuses": [404], "match": {"methods": ["GET"]}, "ttlMs": 10_000, "replacesOrigin": true}]},
        "stale": {"whileRevalidateMs": 30_000, "ifErrorMs": 3_600_000},
        "varyIgnore": ["user-agent"],
        "tags": {"headers": ["x-tags"], "forward": true},
        "targets": ["edge-cache-control"],
        "cdn": {"cacheControl": "max-age=60", "surrogateControl": "max-age=61", "tagHeader": "cache-tag"},
        "bypassHeaders": ["x-preview"],
        "bypassCookies": ["session"],
        "storeSetCookie": true,
        "limits": {"objectBytes": 1_024, "totalBytes": 1 << 20, "objects": 9},
        "coalesce": {"maxWaiters": 0, "timeoutMs": 2_000},
        "compress": {"minBytes": 2_048, "types": ["text/*"]},
        "tier2": {"cluster": "weir/default/backend/tier", "timeoutMs": 30, "waitMs": 10},
        "callTimeoutMs": 3_000,
    });
    assert_eq!(config(&world)["policies"]["default/pages"], expected);
}

/// Whose answer it is depends on the key that the router finds, by the router's own rules.
#[test]
fn keys_of_shards_are_part_of_the_cache_key() {
    let mut world = world(vec![gateway("edge"), backend("a", 9101), pages(&json!({}))]);
    assert_eq!(policy(&world).key.shard_keys, None, "nothing is sharded");
    let mut orders = shard_map("orders", "edge", &["a"]);
    orders["spec"]["match"] = json!([{"path": {"type": "Prefix", "value": "/orders"}}]);
    let all = shard_map("all", "edge", &["a"]);
    world.apply(vec![orders, all]).unwrap();
    let router = compile(&world.state, &edge());
    let router = router.iter().find(|slot| slot.filter == "shard-router").unwrap();
    let router: Value = serde_json::from_str(&router.json).unwrap();
    let keys = serde_json::to_value(policy(&world).key.shard_keys).unwrap();
    let sources = json!([{"header": "x-user-id"}]);
    assert_eq!(keys["rules"], router["rules"]);
    assert_eq!(keys["rules"].as_array().unwrap().len(), 2);
    assert_eq!(
        keys["maps"],
        json!({"default/orders": sources.clone(), "default/all": sources})
    );
    world
        .apply(vec![pages(&json!({"key": {"sharedAcrossKeys": true}}))])
        .unwrap();
    assert_eq!(policy(&world).key.shard_keys, None);
}

#[test]
fn another_key_or_attachment_of_a_map_is_another_generation() {
    let mut world = world(vec![
        gateway("edge"),
        gateway("other"),
        backend("a", 9101),
        shard_map("orders", "edge", &["a"]),
        pages(&json!({})),
    ]);
    let mut last = slot(&world);
    let mut moved = |world: &World| {
        let now = slot(world);
        let grew = now.generation > last.generation && now.json != last.json;
        last = now;
        grew
    };
    let mut orders = shard_map("orders", "edge", &["a"]);
    orders["spec"]["key"]["sources"] = json!([{"query": "user"}]);
    world.apply(vec![orders]).unwrap();
    assert!(moved(&world));
    let shard_keys = policy(&world).key.shard_keys.unwrap();
    assert_eq!(
        serde_json::to_value(shard_keys.maps).unwrap(),
        json!({"default/orders": [{"query": "user"}]})
    );
    world.apply(vec![shard_map("orders", "other", &["a"])]).unwrap();
    assert!(moved(&world));
    assert_eq!(policy(&world).key.shard_keys, None);
}

#[test]
fn one_policy_wins_and_one_that_never_does_says_so() {
    let mut second = cache_policy("second", &json!({"priority": -1}));
    let world = world(vec![gateway("edge"), pages(&json!({})), second.clone()]);
    let slot = slot(&world);
    assert_eq!(slot.shadowed["default/second"], "default/pages");
    second["spec"]["priority"] = json!(1);
    let mut world = world;
    world.apply(vec![second]).unwrap();
    assert_eq!(config(&world)["rules"][0]["policy"], "default/second");
}

#[test]
fn a_policy_that_is_off_is_not_there() {
    let spec = json!({"mode": "off", "tier2": {"backend": "tier"}});
    let world = world(vec![gateway("edge"), backend("tier", 9300), pages(&spec)]);
    let config = config(&world);
    assert_eq!((&config["rules"], &config["policies"]), (&json!([]), &json!({})));
    assert_eq!(config.get("control"), None);
    assert!(of_gateway(&world.state, &edge()).is_empty());
    assert!(!has_policies(&world.state, &edge(), "edge-cache"));
}

/// So that a slot waits until its proxy has the tier's cluster.
#[test]
fn a_slot_names_the_cluster_of_its_tier() {
    let mut routed = gateway("edge");
    routed["spec"]["routes"][0]["backend"] = json!("tier");
    let spec = json!({"tier2": {"backend": "tier"}, "targetRefs":
        [{"group": "weir.dev", "kind": "Gateway", "name": "edge"}]});
    let world = world(vec![
        routed,
        gateway("other"),
        backend("tier", 9300),
        pages(&spec),
    ]);
    let catalog = ModuleCatalog {
        modules: filters()
            .map(|filter| {
                (
                    filter.to_owned(),
                    Module {
                        sha256: format!("{filter}-digest"),
                        size: 1,
                    },
                )
            })
            .collect(),
    };
    let snapshot = |gateway: &str| {
        let kind = NodeKind {
            gateway: GatewayRef::parse(gateway),
            modules_dir: "/modules".to_owned(),
        };
        match view(&world.state, &catalog, &kind, None) {
            View::Assigned(snapshot) => snapshot,
            other => panic!("{other:?}"),
        }
    };
    let own = snapshot(EDGE);
    let cluster = "weir/default/backend/tier";
    assert!(own.of(ResourceType::Cluster).contains_key(cluster));
    assert!(own.of(ResourceType::Endpoint).contains_key(cluster));
    let slot = &own.of(ResourceType::ExtensionConfig)["weir/default/edge/edge-cache"];
    assert!(slot.clusters.contains(cluster));
    let text = String::from_utf8_lossy(&slot.body.value).into_owned();
    assert!(text.contains("/modules/edge-cache-digest.wasm") && text.contains("weir.edge-cache"));
    assert_eq!(
        of_gateway(&world.state, &edge()).len(),
        1,
        "once, for route and tier"
    );
    let other = snapshot("default/other");
    assert!(other.of(ResourceType::Cluster).is_empty());
    let idle = &other.of(ResourceType::ExtensionConfig)["weir/default/other/edge-cache"];
    assert!(idle.clusters.is_empty());
}

#[test]
fn a_tier_is_a_backend_that_is_there_and_stays() {
    let mut world = World::default();
    let tiered = pages(&json!({"tier2": {"backend": "tier"}}));
    match world.apply(vec![tiered.clone()]) {
        Err(Refusal::Invalid(problems)) => {
            let found = &problems[0].problem;
            assert_eq!(
                (found.pointer.as_str(), found.reason.as_str()),
                ("/spec/tier2/backend", "unknown_backend")
            );
        }
        other => panic!("{other:?}"),
    }
    world.apply(vec![backend("tier", 9300), tiered]).unwrap();
    let tier = identity("Backend", "tier");
    let refused = world.delete(&tier).unwrap_err();
    assert_eq!(
        refused,
        Refusal::InUse {
            identity: tier.clone(),
            users: vec![identity("CachePolicy", "pages")]
        }
    );
    world.delete(&identity("CachePolicy", "pages")).unwrap();
    world.delete(&tier).unwrap();
}

#[test]
fn a_target_is_a_route_of_a_gateway() {
    let target = |section: &str| {
        pages(&json!({"targetRefs": [
            {"group": "weir.dev", "kind": "Gateway", "name": "edge", "sectionName": section}]}))
    };
    let mut world = world(vec![gateway("edge"), target("all")]);
    assert_eq!(
        config(&world)["rules"],
        json!([{"policy": "default/pages", "route": "all"}])
    );
    let before: Revision = world.state.revision();
    assert!(world.apply(vec![target("nowhere")]).is_err());
    assert_eq!(world.state.revision(), before);
}
