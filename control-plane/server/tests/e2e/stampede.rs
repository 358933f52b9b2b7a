//! Many want the same at once: the origin is asked once.

use http::StatusCode;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::support::cached::{Cached, CachingProxy, USUAL, policy};
use crate::support::client::Answer;
use crate::support::redis::Redis;
use crate::support::tier::Tier;
use crate::support::traffic::Traffic;
use crate::support::wait::until;

const PAGE: &str = "/pages/1";
/// Of each of two proxies.
const CLIENTS: usize = 100;

/// Waits are longer than any machine needs.
fn patient(tier2: bool) -> Value {
    let mut spec = json!({"coalesce": {"timeout": "60s"}});
    if tier2 {
        spec["tier2"] = json!({"backend": "tier", "timeout": "60s", "wait": "30s"});
    }
    spec
}

/// Sends all requests before the origin answers the first.
async fn rush(cached: &Cached) -> Vec<Answer> {
    cached.origin.hold();
    let mut asking: Vec<JoinHandle<Answer>> = Vec::new();
    for proxy in &cached.proxies {
        asking.extend((0..CLIENTS).map(|_| {
            let client = proxy.client();
            tokio::spawn(async move { client.get(PAGE, &USUAL).await })
        }));
    }
    for proxy in &cached.proxies {
        proxy.under_way(CLIENTS).await;
    }
    until("the origin is asked", async || {
        (cached.origin.asked(PAGE) > 0).then_some(())
    })
    .await;
    cached.origin.release();
    let mut answers = Vec::new();
    for answer in asking {
        answers.push(answer.await.unwrap());
    }
    answers
}

/// How many answers differ from one another.
fn different(answers: &[Answer]) -> usize {
    let mut bodies: Vec<String> = answers.iter().map(Answer::text).collect();
    bodies.sort_unstable();
    bodies.dedup();
    bodies.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_with_a_tier_asks_once() {
    let redis = Redis::start().await;
    let tier = Tier::start(&redis, &["--lease", "60s"]).await;
    let cached = Cached::start(2, 2, vec![tier.backend(), policy(patient(true))]).await;
    let answers = rush(&cached).await;
    assert_eq!(answers.len(), 2 * CLIENTS);
    assert!(answers.iter().all(|answer| answer.status == StatusCode::OK));
    assert_eq!(different(&answers), 1);
    assert_eq!(cached.origin.asked(PAGE), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_tier_each_proxy_asks_once() {
    let cached = Cached::start(2, 2, vec![policy(patient(false))]).await;
    let answers = rush(&cached).await;
    assert!(answers.iter().all(|answer| answer.status == StatusCode::OK));
    assert_eq!(different(&answers), 2);
    assert_eq!(cached.origin.asked(PAGE), 2);
}

/// What the proxy has heard of the tier: answers that are such, and none.
async fn heard(proxy: &CachingProxy) -> [u64; 2] {
    [
        proxy.count("tier2", "outcome.miss").await,
        proxy.count("tier2", "outcome.failed").await,
    ]
}

async fn grows(proxy: &CachingProxy, which: usize) {
    let before = heard(proxy).await[which];
    until("the count grows", async || {
        (heard(proxy).await[which] > before + 10).then_some(())
    })
    .await;
}

/// Every request is for another user, so that each asks the tier.
#[tokio::test(flavor = "multi_thread")]
async fn a_tier_that_dies_costs_no_request_and_one_that_comes_back_is_used() {
    let mut redis = Redis::start().await;
    let mut tier = Tier::hasty(&redis).await;
    let spec = json!({"tier2": {"backend": "tier", "timeout": "200ms"}});
    let cached = Cached::start(1, 2, vec![tier.backend(), policy(spec)]).await;
    let proxy = cached.proxy();
    let traffic = Traffic::start(&proxy.client());
    grows(proxy, 0).await;
    redis.kill();
    grows(proxy, 1).await;
    traffic.more(100).await;
    redis.restart().await;
    grows(proxy, 0).await;

    tier.process.kill();
    grows(proxy, 1).await;
    traffic.more(100).await;
    tier.restart().await;
    grows(proxy, 0).await;
    traffic.stop().await;
    assert_eq!(proxy.proxy.vm_reloads().await, 0);
}
