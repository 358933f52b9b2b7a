//! Changes while traffic flows.

use http::{Method, StatusCode};
use serde_json::json;

use crate::support::documents::{gateway, shard_map};
use crate::support::stack::Stack;
use crate::support::traffic::Traffic;
use crate::support::wait::until;

/// The generation of the Gateway's slot, as the API says it.
async fn generation(stack: &Stack) -> u64 {
    let map = stack
        .api
        .get("/v1/namespaces/default/shardmaps/orders", &[])
        .await
        .json();
    map["status"]["attachments"][0]["generation"].as_u64().unwrap()
}

async fn ring_change(workers: u32) {
    let stack = Stack::sharded().await;
    let proxy = stack.proxy("one", workers).await;
    let keys: Vec<String> = (0..80).map(|number| format!("key-{number}")).collect();
    let mut before = Vec::new();
    for key in &keys {
        before.push(proxy.shard_of(key).await);
    }
    let vms = proxy.vms_created().await;
    assert!(vms > 0, "the statistic has its name");
    let traffic = Traffic::start(&proxy.http);
    traffic.more(200).await;

    stack.apply(vec![shard_map(&["a", "b", "c", "d"])]).await;
    let expected = generation(&stack).await;
    until("the new ring is in force in every worker", async || {
        (proxy.generation().await == expected).then_some(())
    })
    .await;
    traffic.more(200).await;
    let mut moved = 0;
    for (key, old) in keys.iter().zip(&before) {
        let new = proxy.shard_of(key).await;
        if new != *old {
            assert_eq!(new, "d", "{key} moved from {old} to {new}");
            moved += 1;
        }
    }
    assert!(moved > 0, "some keys move");

    stack.apply(vec![shard_map(&["a", "b", "c"])]).await;
    let expected = generation(&stack).await;
    until("the old ring is in force again", async || {
        (proxy.generation().await == expected).then_some(())
    })
    .await;
    traffic.more(200).await;
    traffic.stop().await;
    let created = proxy.vms_created().await - vms;
    assert!(
        created <= 8,
        "{created} new VMs: more than the one for each slot and change in which Envoy tries it out"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_ring_drops_no_request_and_makes_no_vm() {
    ring_change(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_ring_drops_no_request_with_four_workers() {
    ring_change(4).await;
}

/// Envoy asks again for the endpoints of a changed cluster; a server that takes that for an ACK stalls it for 5 s.
#[tokio::test(flavor = "multi_thread")]
async fn a_changed_cluster_is_taken_within_a_second() {
    let stack = Stack::sharded().await;
    let proxy = stack.proxy("one", 2).await;
    let traffic = Traffic::start(&proxy.http);
    traffic.more(100).await;
    let warming = || proxy.stats("cluster_manager.warming_clusters");
    for timeout in ["1100ms", "1200ms", "1300ms"] {
        let mut backends = stack.backends();
        for backend in &mut backends {
            backend["spec"]["connectTimeout"] = json!(timeout);
        }
        stack.apply(backends).await;
        let status = until("the change is taken", async || {
            let status = stack.proxy_status(&proxy.id).await?;
            let clusters = &status["types"]["CDS"];
            (clusters["sentVersion"] == clusters["ackedVersion"]
                && warming().await.values().all(|count| *count == 0))
            .then_some(status)
        })
        .await;
        for service in ["CDS", "EDS"] {
            let at = |field: &str| status["types"][service][field].as_u64().unwrap();
            let taken_after = at("ackedAtMs").saturating_sub(at("sentAtMs"));
            assert!(taken_after < 1_000, "{service} taken after {taken_after} ms");
        }
    }
    traffic.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_moved_shard_is_followed() {
    let stack = Stack::sharded().await;
    let proxy = stack.proxy("one", 1).await;
    // What was backend-a's becomes backend-d's endpoints: the keys of shard a are answered by d's servers.
    let mut moved = stack.shards[3].backend();
    moved["metadata"]["name"] = json!("backend-a");
    let key = first_key_of(&proxy, "a").await;
    stack.apply(vec![moved]).await;
    until("the moved shard answers", async || {
        (proxy.shard_of(&key).await == "d").then_some(())
    })
    .await;
}

async fn first_key_of(proxy: &crate::support::proxy::Proxy, shard: &str) -> String {
    for number in 0..100 {
        let key = format!("user-{number}");
        if proxy.shard_of(&key).await == shard {
            return key;
        }
    }
    panic!("no key of {shard}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_whose_gateway_is_deleted_serves_on() {
    let stack = Stack::sharded().await;
    let proxy = stack.proxy("one", 1).await;
    let traffic = Traffic::start(&proxy.http);
    traffic.more(50).await;
    let deleted = stack
        .api
        .send(Method::DELETE, "/v1/namespaces/default/gateways/edge", &[], "")
        .await
        .unwrap();
    assert_eq!(deleted.status, StatusCode::OK, "{}", deleted.text());
    until("the API says so", async || {
        (stack.proxy_status(&proxy.id).await?["assignment"] == "gateway_gone").then_some(())
    })
    .await;
    traffic.more(200).await;
    traffic.stop().await;

    // Created again, it is served again.
    stack.apply(vec![gateway(stack.ip), shard_map(&["d"])]).await;
    until("the new map is in force", async || {
        (proxy.shard_of("user-1").await == "d").then_some(())
    })
    .await;
}
