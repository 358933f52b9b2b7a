//! `weir cache-tier`, as processes: one Redis, several tiers, a control plane.

use http::Method;
use weir_policy::cache_tier::{
    LEASE_HEADER, REVISION_HEADER, TTL_HEADER, URL_HEADER, lookup_path, object_path,
};

use crate::support::client::{Answer, Client};
use crate::support::process::{run, stderr, weir};
use crate::support::redis::Redis;
use crate::support::stack::Stack;
use crate::support::tier::Tier;
use crate::support::wait::until;

const KEY: &str = "00112233445566778899aabbccddeeff";

async fn lookup(client: Client, wait_ms: u32) -> Result<Answer, String> {
    let path = lookup_path("default", "shop", KEY, wait_ms, false);
    client.send(Method::POST, &path, &[], "").await
}

async fn put(client: &Client, lease: &[u8], revision: &str) -> Answer {
    let headers: [(&str, &[u8]); 4] = [
        (LEASE_HEADER, lease),
        (TTL_HEADER, b"60000"),
        (REVISION_HEADER, revision.as_bytes()),
        (URL_HEADER, b"shop.example/"),
    ];
    let path = object_path("default", "shop", KEY);
    client.send(Method::PUT, &path, &headers, "object").await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_fills_for_two_processes_and_a_killed_one_takes_only_its_own_callers_along() {
    let redis = Redis::start().await;
    let mut tiers = [Tier::start(&redis, &[]).await, Tier::start(&redis, &[]).await];
    let leader = lookup(tiers[0].client.clone(), 0).await.unwrap();
    let lease = leader.header(LEASE_HEADER).unwrap().to_owned();
    let waiting: Vec<_> = (0..50)
        .map(|number| tokio::spawn(lookup(tiers[number % 2].client.clone(), 20_000)))
        .collect();
    for tier in &tiers {
        until("they wait", async || {
            let waiting = tier.metric("weir_cache_tier_waiting").await?;
            (waiting == "25").then_some(())
        })
        .await;
    }
    tiers[0].process.kill();
    assert_eq!(put(&tiers[1].client, &lease, "1").await.status, 204);
    for (number, answer) in waiting.into_iter().enumerate() {
        match (number % 2, answer.await.unwrap()) {
            (0, lost) => assert!(lost.is_err(), "{lost:?}"),
            (_, answer) => assert_eq!(answer.unwrap().text(), "object"),
        }
    }
    let next = Tier::start(&redis, &[]).await;
    assert_eq!(lookup(next.client.clone(), 0).await.unwrap().text(), "object");
    let ended = tiers[1].process.terminate();
    assert!(ended.success(), "{ended}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tier_follows_a_control_plane() {
    let stack = Stack::empty().await;
    let redis = Redis::start().await;
    let tier = Tier::start(&redis, &["--control", &stack.rest()]).await;
    tier.knows_purges().await;
    let up = tier.metric("weir_cache_tier_control_up").await;
    assert_eq!(up.as_deref(), Some("1"));
    let lease = lookup(tier.client.clone(), 0).await.unwrap();
    let lease = lease.header(LEASE_HEADER).unwrap();
    assert_eq!(put(&tier.client, lease, "0").await.status, 204);
    assert_eq!(lookup(tier.client.clone(), 0).await.unwrap().text(), "object");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_gets_wrong_is_named() {
    let redis = Redis::start().await;
    let tier = Tier::start(&redis, &[]).await;
    let taken = tier.address.to_string();
    for (arguments, words) in [
        (["--listen", &taken], [taken.as_str(), "--listen"]),
        (
            ["--redis", "http://user:secret@a"],
            ["--redis", "redis://HOST:PORT"],
        ),
        (["--control", "127.0.0.1:8600"], ["--control", "http://HOST:PORT"]),
        (["--lease", "1ms"], ["--lease", "100ms"]),
        (["--redis-timeout", "0s"], ["--redis-timeout", "1ms"]),
    ] {
        let mut command = weir();
        command.arg("cache-tier").args(arguments);
        let output = run(command);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(!said.contains("secret"), "{said}");
        for word in words {
            assert!(said.contains(word), "{word:?} is not in: {said}");
        }
    }
}
