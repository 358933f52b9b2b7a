//! Redis is down, hangs, or comes back.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use weir_cache_tier::Settings;

use crate::support::client::Fill;
use crate::support::redis::Redis;
use crate::support::tier::{is_up, ready, serve};
use crate::support::{address, key, until};

fn impatient(redis: &Redis) -> Settings {
    Settings {
        redis: vec![redis.url()],
        timeout: Duration::from_millis(500),
        ..Settings::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_redis_is_noticed_at_once_and_so_is_its_return() {
    let mut redis = Redis::start().await;
    let (tier, key) = (ready(impatient(&redis)).await, key());
    tier.client.fill(&key, &Fill::default(), "object").await;
    redis.kill();
    until("the breaker opens", async || {
        assert_eq!(tier.client.lookup(&key, 0).await.status, 503);
        tier.client.metric("weir_cache_tier_breakers_open", "").await == 1.0
    })
    .await;
    assert_eq!(tier.client.metric("weir_cache_tier_redis_up", "").await, 0.0);
    let refused = tier
        .client
        .metric("weir_cache_tier_redis_failures_total", r#"reason="breaker""#)
        .await;
    for _ in 0..50 {
        assert_eq!(tier.client.lookup(&key, 0).await.status, 503);
    }
    let answer = tier
        .client
        .put(
            &key,
            "1-00000000000000000000000000000000-0",
            &Fill::default(),
            "x",
        )
        .await;
    assert_eq!(answer.problem()["title"], "Redis does not answer");
    let now = tier
        .client
        .metric("weir_cache_tier_redis_failures_total", r#"reason="breaker""#)
        .await;
    assert!(now >= refused + 40.0, "asked while it was open: {refused} {now}");
    redis.launch().await;
    until("Redis is back", async || is_up(&tier.client).await).await;
    tier.client.lookup(&key, 0).await.lease();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_hangs_costs_a_few_callers_a_timeout_each() {
    let redis = Redis::start().await;
    let tier = ready(impatient(&redis)).await;
    let key = key();
    tier.client.fill(&key, &Fill::default(), "object").await;
    redis.signal("-STOP");
    until("the breaker opens", async || {
        assert_eq!(tier.client.lookup(&key, 0).await.status, 503);
        tier.client.metric("weir_cache_tier_breakers_open", "").await == 1.0
    })
    .await;
    let timeouts = tier
        .client
        .metric("weir_cache_tier_redis_failures_total", r#"reason="timeout""#)
        .await;
    assert!(timeouts >= 1.0);
    redis.signal("-CONT");
    until("Redis is back", async || is_up(&tier.client).await).await;
    tier.client.lookup(&key, 0).await.assert_object("object");
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_wait_are_let_go_when_redis_is_killed() {
    let mut redis = Redis::start().await;
    let (tier, key) = (ready(impatient(&redis)).await, key());
    tier.client.lookup(&key, 0).await.lease();
    let (client, same) = (tier.client.clone(), key.clone());
    let waiting = tokio::spawn(async move { client.lookup(&same, 20_000).await });
    until("it waits", async || {
        tier.client.metric("weir_cache_tier_waiting", "").await == 1.0
    })
    .await;
    redis.kill();
    let began = Instant::now();
    assert_eq!(waiting.await.unwrap().status, 503);
    assert!(began.elapsed() < Duration::from_secs(20));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tier_may_start_before_its_redis() {
    let mut redis = Redis::absent(SocketAddr::new(address(), 6379));
    let (tier, key) = (serve(impatient(&redis)).await, key());
    assert_eq!(tier.client.lookup(&key, 0).await.status, 503);
    assert!(!is_up(&tier.client).await);
    redis.launch().await;
    until("Redis is there", async || is_up(&tier.client).await).await;
    tier.client.fill(&key, &Fill::default(), "object").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_are_sent_again_to_a_redis_that_forgot_them() {
    let redis = Redis::start().await;
    let (tier, key) = (ready(impatient(&redis)).await, key());
    tier.client.fill(&key, &Fill::default(), "object").await;
    redis.command(&["SCRIPT", "FLUSH"]).await.unwrap();
    tier.client.lookup(&key, 0).await.assert_object("object");
}
