//! One fill for the whole fleet.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use weir_cache_tier::Settings;

use crate::support::client::{Answer, Fill};
use crate::support::redis::Redis;
use crate::support::tier::{Served, ready, settings};
use crate::support::{key, until};

/// Fifty lookups at once, on all tiers in turn.
fn fifty(tiers: &[Served], key: &str, wait_ms: u32) -> JoinSet<Answer> {
    (0..50)
        .map(|number| {
            let (client, key) = (tiers[number % tiers.len()].client.clone(), key.to_owned());
            async move { client.lookup(&key, wait_ms).await }
        })
        .collect()
}

async fn waiting(tiers: &[Served]) -> f64 {
    let mut sum = 0.0;
    for tier in tiers {
        sum += tier.client.metric("weir_cache_tier_waiting", "").await;
    }
    sum
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_lookups_on_two_tiers_make_one_fill() {
    let redis = Redis::start().await;
    let tiers = [ready(settings(&redis)).await, ready(settings(&redis)).await];
    let key = key();
    let mut lookups = fifty(&tiers, &key, 20_000);
    let lease = lookups.join_next().await.unwrap().unwrap().lease();
    until("the others wait", async || waiting(&tiers).await == 49.0).await;
    assert_eq!(
        tiers[0]
            .client
            .put(&key, &lease, &Fill::default(), "object")
            .await
            .status,
        204
    );
    while let Some(answer) = lookups.join_next().await {
        answer.unwrap().assert_object("object");
    }
    assert_eq!(waiting(&tiers).await, 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_can_not_wait_any_longer_goes_on_alone() {
    let redis = Redis::start().await;
    let tiers = [ready(settings(&redis)).await, ready(settings(&redis)).await];
    let key = key();
    let lease = tiers[0].client.lookup(&key, 0).await.lease();
    let began = Instant::now();
    let mut lookups = fifty(&tiers, &key, 100);
    while let Some(answer) = lookups.join_next().await {
        assert_eq!(answer.unwrap().status, 409);
    }
    assert!(began.elapsed() >= Duration::from_millis(100));
    assert_eq!(
        tiers[1]
            .client
            .put(&key, &lease, &Fill::default(), "object")
            .await
            .status,
        204
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_filler_is_gone_and_one_of_those_who_wait_takes_over() {
    let redis = Redis::start().await;
    let short = || Settings {
        lease: Duration::from_millis(300),
        ..settings(&redis)
    };
    let tiers = [ready(short()).await, ready(short()).await];
    let key = key();
    tiers[0].client.lookup(&key, 0).await.lease();
    let mut lookups = fifty(&tiers, &key, 20_000);
    let lease = lookups.join_next().await.unwrap().unwrap().lease();
    // In a lease's time, or another one takes over.
    let put = tiers[0]
        .client
        .put(&key, &lease, &Fill::default(), "object")
        .await;
    let mut leases = 0;
    while let Some(answer) = lookups.join_next().await {
        let answer = answer.unwrap();
        match answer.status {
            404 => leases += 1,
            _ => answer.assert_object("object"),
        }
    }
    assert!(
        put.status == 204 && leases == 0 || put.status == 409,
        "{put:?}, {leases}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_went_away_leaves_no_lease_behind() {
    let redis = Redis::start().await;
    let (tier, key) = (ready(settings(&redis)).await, key());
    let first = tier.client.lookup(&key, 0).await.lease();
    let (gone, same) = (tier.client.clone(), key.clone());
    let gone = tokio::spawn(async move { gone.lookup(&same, 20_000).await });
    until("it waits", async || {
        tier.client.metric("weir_cache_tier_waiting", "").await == 1.0
    })
    .await;
    gone.abort();
    until("it has left", async || {
        tier.client.metric("weir_cache_tier_waiting", "").await == 0.0
    })
    .await;
    tier.client.release(&key, &first, 0).await;
    tier.client.lookup(&key, 0).await.lease();
}

#[tokio::test(flavor = "multi_thread")]
async fn not_more_wait_than_may() {
    let redis = Redis::start().await;
    let settings = Settings {
        max_waiting: 10,
        ..settings(&redis)
    };
    let (tiers, key) = ([ready(settings).await], key());
    let lease = tiers[0].client.lookup(&key, 0).await.lease();
    let mut lookups = fifty(&tiers, &key, 20_000);
    for _ in 0..40 {
        assert_eq!(lookups.join_next().await.unwrap().unwrap().status, 409);
    }
    tiers[0]
        .client
        .put(&key, &lease, &Fill::default(), "object")
        .await;
    for _ in 0..10 {
        lookups
            .join_next()
            .await
            .unwrap()
            .unwrap()
            .assert_object("object");
    }
}
