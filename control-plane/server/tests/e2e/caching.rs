//! A CachePolicy's life on a real Envoy.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::cached::{Cached, CachingProxy, policy};
use crate::support::client::Answer;
use crate::support::modules::other_release;
use crate::support::origin::{cache_status, is_fill, is_hit};
use crate::support::wait::until;

const PAGE: &str = "/pages/1";

async fn one_proxy(workers: u32, spec: Value) -> Cached {
    Cached::start(1, workers, vec![policy(spec)]).await
}

fn assert_same(answers: &[Answer], body: &str) {
    for answer in answers {
        assert!(is_hit(answer), "{answer:?}");
        assert_eq!(answer.text(), body);
    }
}

async fn hits_in_every_worker(workers: u32) {
    let cached = one_proxy(workers, json!({})).await;
    let first = cached.proxy().get(PAGE).await;
    assert_eq!(first.status, StatusCode::OK);
    assert!(is_fill(&first), "{first:?}");
    assert_same(&cached.proxy().of_all_workers(PAGE).await, &first.text());
    // Once more, since now each worker has a copy of its own.
    assert_same(&cached.proxy().of_all_workers(PAGE).await, &first.text());
    assert_eq!(cached.origin.asked(PAGE), 1);
    assert_eq!(cached.proxy().proxy.vm_reloads().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_worker_stores_and_hits() {
    hits_in_every_worker(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_worker_stores_all_four_hit() {
    hits_in_every_worker(4).await;
}

/// The header, the query and the path are places of the key; a user may own the same shard as another.
#[tokio::test(flavor = "multi_thread")]
async fn tenants_share_nothing() {
    let cached = one_proxy(2, json!({})).await;
    let client = cached.proxy().client();
    let users: Vec<String> = (0..10).map(|number| format!("user-{number}")).collect();
    for round in 0..2 {
        for user in &users {
            let answer = client.get(PAGE, &[("x-user-id", user)]).await;
            assert_eq!(is_hit(&answer), round == 1, "{user}: {answer:?}");
            assert!(answer.text().contains(&format!(" {user} ")), "{}", answer.text());
        }
    }
    assert_eq!(cached.origin.asked(PAGE), users.len());

    cached.change(json!({"key": {"sharedAcrossKeys": true}})).await;
    let mut bodies = Vec::new();
    for user in &users {
        bodies.push(client.get(PAGE, &[("x-user-id", user)]).await.text());
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
}

/// No request is counted, and no answer says anything of a cache.
async fn is_out_of_the_way(cached: &Cached) {
    let (counted, asked) = (
        cached.proxy().count("requests", "").await,
        cached.origin.asked(PAGE),
    );
    let answers = cached.proxy().of_all_workers(PAGE).await;
    for answer in &answers {
        assert_eq!(answer.status, StatusCode::OK);
        assert_eq!(cache_status(answer), None);
    }
    assert_eq!(cached.origin.asked(PAGE), asked + answers.len());
    assert_eq!(cached.proxy().count("requests", "").await, counted);
}

#[tokio::test(flavor = "multi_thread")]
async fn off_is_out_of_the_way_and_on_again_knows_what_it_knew() {
    let cached = one_proxy(2, json!({})).await;
    let first = cached.proxy().get(PAGE).await.text();
    cached.change(json!({"mode": "off"})).await;
    is_out_of_the_way(&cached).await;
    cached.change(json!({})).await;
    assert_same(&cached.proxy().of_all_workers(PAGE).await, &first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_policy_is_out_of_the_way_and_purges_are_learned_when_it_is_back() {
    let cached = one_proxy(2, json!({})).await;
    let first = cached.proxy().get(PAGE).await.text();
    cached
        .in_force(async || {
            let done = cached.stack.weir(&["delete", "CachePolicy", "pages"]);
            assert_eq!(done.status.code(), Some(0), "{done:?}");
        })
        .await;
    is_out_of_the_way(&cached).await;
    cached.weir(&["purge", "all"]);
    cached.change(json!({})).await;
    cached.purge(&["tag", "unknown"]);
    for answer in cached.proxy().of_all_workers(PAGE).await {
        assert_ne!(answer.text(), first);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn shadow_changes_nothing_and_counts() {
    let cached = one_proxy(2, json!({"mode": "shadow"})).await;
    for number in 1..=10 {
        let answer = cached.proxy().get(PAGE).await;
        assert_eq!(cache_status(&answer), None);
        assert_eq!(answer.text(), format!("{PAGE} alice {number}"));
    }
    cached.proxy().comes_to(1, "requests", "miss-absent").await;
    cached.proxy().comes_to(9, "requests", ".outcome.hit").await;
    cached.proxy().comes_to(1, "fills", "stored").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_keeps_what_is_stored_and_another_version_drops_it() {
    let cached = one_proxy(2, json!({})).await;
    let first = cached.proxy().get(PAGE).await.text();
    cached
        .change(json!({"coalesce": {"maxWaiters": 7}, "stale": {"ifError": "1m"}}))
        .await;
    assert_same(&cached.proxy().of_all_workers(PAGE).await, &first);

    cached.change(json!({"key": {"version": 2}})).await;
    let second = cached.proxy().get(PAGE).await;
    assert!(is_fill(&second), "{second:?}");
    assert_same(&cached.proxy().of_all_workers(PAGE).await, &second.text());
    assert_eq!(cached.origin.asked(PAGE), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_module_goes_on_with_what_is_stored() {
    let mut cached = one_proxy(2, json!({})).await;
    let first = cached.proxy().get(PAGE).await.text();
    let release = other_release(&cached.stack, "edge-cache");
    let vms = cached.proxy().proxy.vms_created().await;
    cached.stack.server.terminate();
    cached
        .stack
        .restart(&["--modules-dir", release.to_str().unwrap()])
        .await;
    // A trial VM, one of the process and one of each worker.
    until("all workers run the new module", async || {
        (cached.proxy().proxy.vms_created().await >= vms + 4).then_some(())
    })
    .await;
    assert_same(&cached.proxy().of_all_workers(PAGE).await, &first);
    cached.purge(&["all"]);
    assert_eq!(cached.proxy().get(PAGE).await.text(), format!("{PAGE} alice 2"));
}

async fn ask(proxy: &CachingProxy, method: Method, path: &str, header: (&str, &str)) -> Answer {
    let headers = [
        ("x-user-id", b"alice".as_slice()),
        (header.0, header.1.as_bytes()),
    ];
    proxy.client().send(method, path, &headers, "").await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_counts_once() {
    let cached = one_proxy(2, json!({"bypass": {"headers": ["x-fresh"]}})).await;
    let (proxy, none) = (cached.proxy(), ("x-nothing", "1"));
    cached.origin.set("/private", &[("cache-control", "no-store")]);
    cached
        .origin
        .set("/old", &[("cache-control", "max-age=0"), ("etag", "\"1\"")]);
    let mut sent = 0;
    for (method, path, header) in [
        (Method::GET, "/a", none),
        (Method::GET, "/a", none),
        (Method::HEAD, "/a", none),
        (Method::HEAD, "/b", none),
        (Method::GET, "/a", ("x-fresh", "1")),
        (Method::GET, "/a", ("cache-control", "no-cache")),
        (Method::GET, "/a", ("cache-control", "no-store")),
        (Method::GET, "/c", ("cache-control", "only-if-cached")),
        (Method::POST, "/a", none),
        (Method::OPTIONS, "/a", none),
        (Method::GET, "/private", none),
        (Method::GET, "/private", none),
        (Method::GET, "/old", none),
        (Method::GET, "/old", none),
        (Method::GET, "/events", ("accept", "text/event-stream")),
        (Method::GET, "/a", ("range", "bytes=0-3")),
    ] {
        ask(proxy, method, path, header).await;
        sent += 1;
    }
    proxy.comes_to(sent, "requests", "").await;
}
