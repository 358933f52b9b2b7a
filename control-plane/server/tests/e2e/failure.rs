//! The control plane goes away and comes back; nodes that nobody knows.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::json;

use crate::support::documents::{gateway, raw_cluster, shard_map};
use crate::support::proxy::Proxy;
use crate::support::stack::Stack;
use crate::support::traffic::Traffic;
use crate::support::wait::until;

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_control_plane_loses_nothing_and_proxies_come_back() {
    let mut stack = Stack::sharded().await;
    let proxy = stack.proxy("one", 2).await;
    let traffic = Traffic::start(&proxy.http);
    traffic.more(50).await;
    // Acknowledged, and killed at once.
    stack.apply(vec![shard_map(&["d"])]).await;
    stack.server.kill();
    let acknowledged = shard_map(&["d"])["spec"]["shards"].clone();
    traffic.more(200).await;

    stack.restart(&[]).await;
    let up = Instant::now();
    until("the proxy is back", async || {
        stack
            .proxy_status(&proxy.id)
            .await
            .filter(|status| status["connected"] == true)
    })
    .await;
    let back_after = up.elapsed();
    assert!(
        back_after < Duration::from_secs(2),
        "the proxy was back after {back_after:?}"
    );
    let map = stack
        .api
        .get("/v1/namespaces/default/shardmaps/orders", &[])
        .await
        .json();
    assert_eq!(map["spec"]["shards"][0]["name"], acknowledged[0]["name"]);
    until("what was acknowledged is in force", async || {
        (proxy.shard_of("user-1").await == "d").then_some(())
    })
    .await;

    // And it takes changes.
    stack.apply(vec![shard_map(&["a"])]).await;
    until("a new change is in force", async || {
        (proxy.shard_of("user-1").await == "a").then_some(())
    })
    .await;
    traffic.stop().await;
}

/// Changes are acknowledged one after the other while the process is killed: each that was acknowledged is there.
#[tokio::test(flavor = "multi_thread")]
async fn every_acknowledged_change_survives_a_kill() {
    let mut stack = Stack::empty().await;
    stack.apply(stack.backends()).await;
    for round in 0..3_u64 {
        let api = stack.api.clone();
        let writer = tokio::spawn(async move {
            let mut acknowledged = Vec::new();
            for number in 0..10_000 {
                let name = format!("raw-{round}-{number}");
                let documents = json!({"documents": [raw_cluster(&name, "STATIC")]});
                let headers: [(&str, &[u8]); 1] = [("content-type", b"application/json")];
                match api
                    .send(Method::POST, "/v1/apply", &headers, documents.to_string())
                    .await
                {
                    Ok(answer) if answer.status.is_success() => acknowledged.push(name),
                    _ => break,
                }
            }
            acknowledged
        });
        let start = stack.documents().await["revision"].as_u64().unwrap();
        until("some were acknowledged", async || {
            (stack.documents().await["revision"].as_u64()? >= start + 20).then_some(())
        })
        .await;
        stack.server.kill();
        let acknowledged = writer.await.unwrap();
        assert!(acknowledged.len() >= 20, "round {round}");
        stack.restart(&[]).await;
        for name in acknowledged {
            let path = format!("/v1/namespaces/default/envoyresources/{name}");
            assert!(
                stack.api.get(&path, &[]).await.status.is_success(),
                "{name} was acknowledged and is gone"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_node_gets_what_is_for_everyone_and_is_listed() {
    let stack = Stack::sharded().await;
    let mut raw = raw_cluster("for-everyone", "STATIC");
    raw["spec"]["resource"]["loadAssignment"] = json!({"clusterName": "for-everyone"});
    stack.apply(vec![raw]).await;
    let stranger = Proxy::launch(&stack, "stranger", "default/nowhere", 1);
    let status = until("the stranger is listed", async || {
        let status = stack.proxy_status("stranger").await?;
        (status["types"]["CDS"]["ackedVersion"].is_string()).then_some(status)
    })
    .await;
    assert_eq!(status["assignment"], "unassigned");
    let clusters = until("its clusters are known", async || {
        let text = stranger.admin.get("/clusters", &[]).await.text();
        text.contains("for-everyone").then_some(text)
    })
    .await;
    assert!(!clusters.contains("weir/default"), "{clusters}");
    assert_eq!(
        stranger
            .stats("listener_manager.total_listeners_active")
            .await
            .values()
            .sum::<u64>(),
        0
    );
    // Once its Gateway is there, it serves.
    let mut nowhere = gateway(stack.ip);
    nowhere["metadata"]["name"] = json!("nowhere");
    stack.apply(vec![nowhere]).await;
    until("it is assigned", async || {
        (stack.proxy_status("stranger").await?["assignment"] == "assigned").then_some(())
    })
    .await;
}

/// The proxy comes back while its Gateway is gone; a Gateway created again must lead it over without a gap.
#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_created_again_after_a_restart_takes_over_without_a_gap() {
    let mut stack = Stack::sharded().await;
    let proxy = stack.proxy("one", 1).await;
    let traffic = Traffic::start(&proxy.http);
    traffic.more(50).await;
    let deleted = stack
        .api
        .send(Method::DELETE, "/v1/namespaces/default/gateways/edge", &[], "")
        .await
        .unwrap();
    assert!(deleted.status.is_success(), "{}", deleted.text());
    stack.server.terminate();
    stack.restart(&[]).await;
    until("the proxy is back", async || {
        stack
            .proxy_status(&proxy.id)
            .await
            .filter(|status| status["assignment"] == "gateway_gone")
    })
    .await;
    stack.apply(vec![gateway(stack.ip), shard_map(&["d"])]).await;
    until("the new map is in force", async || {
        (proxy.shard_of("user-1").await == "d").then_some(())
    })
    .await;
    traffic.more(50).await;
    traffic.stop().await;
}
