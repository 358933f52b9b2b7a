//! Purges and dependencies between tags. Where polls wait, the clock stands still.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use weir_core::proxy::{Assignment, ProxyStatus};

use crate::world::{Answer, World};

const PURGE: &str = "/v1/cache/purge";
const DEPENDENCIES: &str = "/v1/cache/dependencies";
const POLL: &str = "/v1/proxy/events?slot=weir/default/edge/edge-cache";

/// The revision of [`cached`]; what happens comes after it.
const BASE: u64 = 2;

/// A Gateway whose proxies keep answers.
async fn cached() -> Arc<World> {
    let world = World::new();
    let document = |kind: &str, name: &str, spec: Value| {
        json!({"apiVersion": "weir.dev/v1alpha1", "kind": kind,
               "metadata": {"namespace": "default", "name": name}, "spec": spec})
    };
    let gateway = json!({"listeners": [{"port": 10000}], "routes": [{"name": "all"}]});
    world.put_new(&document("Gateway", "edge", gateway)).await;
    world.put_new(&document("CachePolicy", "pages", json!({}))).await;
    assert_eq!(world.plane.state().revision(), BASE);
    Arc::new(world)
}

fn connect(world: &World, id: &str) {
    world.plane.proxies.connected(ProxyStatus {
        id: id.to_owned(),
        cluster: "default/edge".to_owned(),
        version: String::new(),
        assignment: Assignment::Assigned,
        connected: true,
        since_ms: 0,
        revision: 0,
        types: BTreeMap::new(),
    });
}

/// A poll in a task of its own; when this returns, it waits.
async fn wait(world: &Arc<World>, poll: &str, cursor: u64, waiting: u64) -> JoinHandle<Answer> {
    let (asking, path) = (Arc::clone(world), format!("{poll}&cursor={cursor}&wait=25"));
    let task = tokio::spawn(async move { asking.get(&path).await });
    let waits = format!("weir_proxy_polls {waiting}\n");
    while !world.get("/metrics").await.text().contains(&waits) {
        tokio::task::yield_now().await;
    }
    task
}

async fn progress(world: &World, revision: u64) -> Value {
    world.get(&format!("{PURGE}/{revision}")).await.json()
}

#[tokio::test]
async fn a_purge_says_how_much_it_is_for() {
    let world = cached().await;
    connect(&world, "one");
    for (body, answer) in [
        (
            json!({"all": true}),
            json!({"revision": BASE + 1, "count": 1, "everything": true, "proxies": 1}),
        ),
        (
            json!({"tags": ["a", "b", "a"], "policy": "pages", "soft": true}),
            json!({"revision": BASE + 2, "count": 2, "proxies": 1}),
        ),
        (
            json!({"urls": ["shop.example/a"]}),
            json!({"revision": BASE + 3, "count": 1, "proxies": 1}),
        ),
        (
            json!({"prefixes": ["shop.example/a/"], "namespace": "shop"}),
            json!({"revision": BASE + 4, "count": 1, "proxies": 0}),
        ),
        (
            json!({"tags": []}),
            json!({"revision": BASE + 4, "count": 0, "proxies": 1}),
        ),
    ] {
        let answered = world.apply(PURGE, &body).await;
        assert_eq!(
            (answered.status.as_u16(), answered.json()),
            (200, answer),
            "{body}"
        );
    }
    let page = world.get(&format!("{POLL}&cursor={BASE}")).await.json();
    assert_eq!(
        page["events"],
        json!([
            {"revision": BASE + 1, "cachePurge": {"what": "all"}},
            {"revision": BASE + 2, "cachePurge": {"policy": "default/pages", "soft": true, "what": {"tags": ["a", "b"]}}},
            {"revision": BASE + 3, "cachePurge": {"what": {"urls": ["shop.example/a"]}}},
        ])
    );
}

#[tokio::test(start_paused = true)]
async fn a_purge_wakes_whoever_waits_and_is_seen_to_be_learned() {
    let world = cached().await;
    let started = Instant::now();
    for id in ["one", "two"] {
        connect(&world, id);
    }
    let limiter = "/v1/proxy/events?slot=weir/default/edge/rate-limit";
    let one = wait(&world, POLL, BASE, 1).await;
    let two = wait(&world, POLL, BASE, 2).await;
    let other_filter = wait(&world, limiter, BASE, 3).await;
    let other_namespace = wait(&world, &POLL.replace("default", "shop"), BASE, 4).await;
    let told = world.apply(PURGE, &json!({"tags": ["a"]})).await.json();
    let revision = told["revision"].as_u64().unwrap();
    for poll in [one, two, other_filter] {
        assert_eq!(poll.await.unwrap().json()["events"][0]["revision"], revision);
    }
    assert_eq!(
        progress(&world, revision).await,
        json!({"proxies": 2, "learned": 0})
    );
    let one = wait(&world, POLL, revision, 2).await;
    assert_eq!(
        progress(&world, revision).await,
        json!({"proxies": 2, "learned": 1})
    );
    let _limiter = wait(&world, limiter, revision, 3).await;
    let _two = wait(&world, POLL, revision, 4).await;
    assert_eq!(
        progress(&world, revision).await,
        json!({"proxies": 2, "learned": 2})
    );
    assert_eq!(progress(&world, revision + 1).await["learned"], 0);
    let elsewhere = world
        .get(&format!("{PURGE}/{revision}?namespace=shop"))
        .await
        .json();
    assert_eq!(elsewhere, json!({"proxies": 0, "learned": 1}));
    one.abort();
    assert!(one.await.is_err());
    assert_eq!(progress(&world, revision).await["learned"], 1);
    other_namespace.abort();
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn purges_that_cannot_be_meant_name_the_field() {
    let world = cached().await;
    for (body, pointer, words) in [
        (json!({}), "", "expected one of all, tags, urls, prefixes"),
        (json!({"all": true, "tags": ["a"]}), "/tags", "stands beside all"),
        (json!({"tags": [], "urls": []}), "/urls", "stands beside tags"),
        (json!({"tags": ["a", "b c"]}), "/tags/1", "\"b c\""),
        (json!({"urls": ["/a"]}), "/urls/0", "expected a host and a path"),
        (
            json!({"prefixes": ["x".repeat(2049)]}),
            "/prefixes/0",
            "2049 bytes",
        ),
        (
            json!({"tags": vec!["a"; 257]}),
            "/tags",
            "257 tags: expected at most 256",
        ),
    ] {
        let answer = world.apply(PURGE, &body).await;
        let problem = answer.problem(422, "invalid-request");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
        for text in [&problem["detail"], &problem["errors"][0]["detail"]] {
            assert!(text.as_str().unwrap().contains(words), "{problem}");
        }
    }
    for (body, words) in [
        (json!({"tag": ["a"]}), "unknown field `tag`"),
        (json!({"tags": "a"}), "tags: invalid type"),
        (json!({"tags": [1]}), "tags[0]: invalid type"),
        (json!({"all": 1}), "all: invalid type"),
        (json!({"all": true, "policy": "A"}), "policy: invalid name"),
    ] {
        let answer = world.apply(PURGE, &body).await;
        let problem = answer.problem(400, "malformed-body");
        assert!(problem["detail"].as_str().unwrap().contains(words), "{problem}");
    }
    let unknown = json!({"all": true, "policy": "other"});
    world.apply(PURGE, &unknown).await.problem(404, "not-found");
    world
        .apply(&format!("{PURGE}?dryRun=true"), &json!({"all": true}))
        .await
        .problem(400, "bad-query");
    world.get(&format!("{PURGE}/one")).await.problem(400, "bad-path");
    world
        .get(&format!("{PURGE}/1?wait=1"))
        .await
        .problem(400, "bad-query");
    world.get(PURGE).await.problem(405, "method-not-allowed");
    assert_eq!(world.plane.state().revision(), BASE);
}

#[tokio::test]
async fn dependencies_are_set_shown_and_deleted() {
    let world = cached().await;
    let one = format!("{DEPENDENCIES}/investigation:123%2Fa");
    let body = json!({"dependsOn": ["entity:789", "entity:456", "entity:789"]});
    let set = world.put(&one, &body).await;
    assert_eq!(
        (set.status.as_u16(), set.json()),
        (200, json!({"revision": BASE + 1}))
    );
    assert_eq!(world.put(&one, &body).await.json(), json!({"revision": BASE + 1}));
    let known =
        json!({"tag": "investigation:123/a", "dependsOn": ["entity:456", "entity:789"], "dependents": []});
    assert_eq!(world.get(&one).await.json(), known);
    assert_eq!(
        world.get(&format!("{DEPENDENCIES}/entity:456")).await.json(),
        json!({"tag": "entity:456", "dependsOn": [], "dependents": ["investigation:123/a"]})
    );
    assert_eq!(
        world.get(DEPENDENCIES).await.json(),
        json!({"revision": BASE + 1, "items": [known]})
    );
    let purged = world.apply(PURGE, &json!({"tags": ["entity:456"]})).await.json();
    assert_eq!(purged["count"], 2);
    let elsewhere = format!("{one}?namespace=shop");
    world.get(&elsewhere).await.problem(404, "not-found");
    world.delete(&elsewhere, &[]).await.problem(404, "not-found");
    let deleted = world.delete(&one, &[]).await;
    assert_eq!(deleted.json(), json!({"revision": BASE + 3}));
    world.delete(&one, &[]).await.problem(404, "not-found");
    assert_eq!(world.get(DEPENDENCIES).await.json()["items"], json!([]));
}

#[tokio::test]
async fn dependencies_that_cannot_be_meant_name_the_field() {
    let world = cached().await;
    let one = format!("{DEPENDENCIES}/a");
    for (path, body, pointer) in [
        (one.as_str(), json!({"dependsOn": ["b", "c,d"]}), "/dependsOn/1"),
        (
            &one,
            json!({"dependsOn": (0..257).map(|tag| tag.to_string()).collect::<Vec<_>>()}),
            "/dependsOn",
        ),
        (&format!("{DEPENDENCIES}/a%20b"), json!({"dependsOn": ["c"]}), ""),
    ] {
        let answer = world.put(path, &body).await;
        let problem = answer.problem(422, "invalid-request");
        assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem}");
    }
    for body in [
        json!({}),
        json!({"dependsOn": "b"}),
        json!({"dependsOn": [], "tag": "a"}),
    ] {
        world.put(&one, &body).await.problem(400, "malformed-body");
    }
    for query in ["namespace=A", "name=shop", "namespace=a&namespace=b"] {
        world
            .get(&format!("{one}?{query}"))
            .await
            .problem(400, "bad-query");
    }
    assert_eq!(world.plane.state().revision(), BASE);
}

#[tokio::test]
async fn what_the_store_cannot_write_is_not_purged() {
    let world = cached().await;
    world
        .plane
        .broken
        .store(true, std::sync::atomic::Ordering::Relaxed);
    let purge = world.apply(PURGE, &json!({"all": true})).await;
    purge.problem(503, "store-unavailable");
    let set = world
        .put(&format!("{DEPENDENCIES}/a"), &json!({"dependsOn": ["b"]}))
        .await;
    set.problem(503, "store-unavailable");
    assert_eq!(world.plane.state().revision(), BASE);
}

#[tokio::test]
async fn it_is_seen_how_far_a_cdn_is() {
    let world = cached().await;
    let document = json!({"apiVersion": "weir.dev/v1alpha1", "kind": "CachePolicy",
                          "metadata": {"namespace": "default", "name": "far"},
                          "spec": {"cdn": {"purge": {"url": "http://cdn/"}}}});
    world.put_new(&document).await;
    world.apply(PURGE, &json!({"all": true})).await;
    assert_eq!(
        world.get("/v1/cache/cdn").await.json(),
        json!({"items": [{"policy": "default/far", "url": "http://cdn/", "waiting": 1}]})
    );
    let elsewhere = world.get("/v1/cache/cdn?namespace=shop").await;
    assert_eq!(elsewhere.json(), json!({"items": []}));
    let metrics = world.get("/metrics").await.text();
    assert!(
        metrics.contains("weir_cdn_purges_total{outcome=\"delivered\"} 3\n"),
        "{metrics}"
    );
    assert!(
        metrics.contains("weir_cdn_purges_total{outcome=\"failed\"} 2\n"),
        "{metrics}"
    );
}

#[tokio::test]
async fn metrics_tell_what_became_of_runs() {
    let metrics = cached().await.get("/metrics").await.text();
    for line in [
        "# TYPE weir_warm_runs counter",
        "weir_warm_runs_total{outcome=\"done\"} 4",
        "weir_warm_runs_total{outcome=\"not_begun\"} 1",
        "weir_warm_runs_total{outcome=\"failed\"} 0",
        "weir_warm_runs_total{outcome=\"incomplete\"} 0",
        "weir_warm_runs_total{outcome=\"empty\"} 0",
        "weir_warm_runs_total{outcome=\"left_out\"} 0",
        "# TYPE weir_warm_runs_under_way gauge",
        "weir_warm_runs_under_way 2",
        "weir_warm_urls_total{outcome=\"fetched\"} 30",
        "weir_warm_urls_total{outcome=\"hit\"} 20",
        "weir_warm_urls_total{outcome=\"failed\"} 10",
        "weir_warm_urls_total{outcome=\"left_out\"} 5",
    ] {
        assert!(metrics.lines().any(|known| known == line), "{line}: {metrics}");
    }
}
