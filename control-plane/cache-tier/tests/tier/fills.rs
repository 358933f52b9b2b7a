//! One proxy fills, others find it.

use crate::support::client::Fill;
use crate::support::redis::Redis;
use crate::support::tier::{ready, settings};
use crate::support::{key, until};
use std::time::Duration;
use weir_cache_tier::Settings;
use weir_policy::cache_tier::{LEASE_MS_HEADER, REVISION_HEADER, TTL_HEADER};

#[tokio::test(flavor = "multi_thread")]
async fn a_miss_gives_the_lease_and_what_is_stored_is_found() {
    let redis = Redis::start().await;
    let (tier, key) = (ready(settings(&redis)).await, key());
    let miss = tier.client.lookup(&key, 0).await;
    assert_eq!(miss.header(LEASE_MS_HEADER), Some("10000"));
    let fill = Fill {
        revision: 7,
        ..Fill::default()
    };
    let put = tier.client.put(&key, &miss.lease(), &fill, "object").await;
    assert_eq!(put.status, 204, "{put:?}");
    let hit = tier.client.lookup(&key, 0).await;
    hit.assert_object("object");
    assert_eq!(hit.header(REVISION_HEADER), Some("7"));
    let left: u64 = hit.header(TTL_HEADER).unwrap().parse().unwrap();
    assert!((1..=60_000).contains(&left), "{left}");
    let again = tier.client.put(&key, &miss.lease(), &fill, "again").await;
    assert_eq!(again.status, 409, "a lease stores once");
    tier.client.lookup(&key, 0).await.assert_object("object");
    for (metric, label, count) in [
        ("weir_cache_tier_lookups_total", r#"outcome="miss""#, 1.0),
        ("weir_cache_tier_lookups_total", r#"outcome="hit""#, 2.0),
        ("weir_cache_tier_puts_total", r#"outcome="stored""#, 1.0),
        ("weir_cache_tier_puts_total", r#"outcome="no_lease""#, 1.0),
        ("weir_cache_tier_leases_total", "", 1.0),
        ("weir_cache_tier_redis_up", "", 1.0),
        ("weir_cache_tier_breakers_open", "", 0.0),
        (
            "weir_cache_tier_redis_duration_seconds_count",
            r#"command="put""#,
            2.0,
        ),
    ] {
        assert_eq!(tier.client.metric(metric, label).await, count, "{metric} {label}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_object_ends_with_its_time_and_any_bytes_are_one() {
    let redis = Redis::start().await;
    let (tier, key) = (ready(settings(&redis)).await, key());
    let lease = tier.client.lookup(&key, 0).await.lease();
    let bytes: Vec<u8> = (0..=255).collect();
    let fill = Fill {
        ttl_ms: 300,
        ..Fill::default()
    };
    assert_eq!(
        tier.client.put(&key, &lease, &fill, bytes.clone()).await.status,
        204
    );
    assert_eq!(tier.client.lookup(&key, 0).await.body, bytes);
    until("it ends", async || {
        tier.client.lookup(&key, 0).await.status == 404
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_ends_by_itself_and_what_comes_later_is_not_stored() {
    let redis = Redis::start().await;
    let settings = Settings {
        lease: Duration::from_millis(200),
        ..settings(&redis)
    };
    let (tier, key) = (ready(settings).await, key());
    let first = tier.client.lookup(&key, 0).await.lease();
    assert_eq!(tier.client.lookup(&key, 0).await.status, 409);
    // Held until the first lease is over.
    let second = tier.client.lookup(&key, 20_000).await.lease();
    assert_ne!(first, second);
    let late = tier.client.put(&key, &first, &Fill::default(), "late").await;
    assert_eq!(
        (late.status, &late.problem()["field"]),
        (409, &"x-weir-lease".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_given_back_is_given_to_the_next() {
    let redis = Redis::start().await;
    let (tier, key) = (ready(settings(&redis)).await, key());
    let first = tier.client.lookup(&key, 0).await.lease();
    let (waiting, waiter) = (tier.client.clone(), key.clone());
    let next = tokio::spawn(async move { waiting.lookup(&waiter, 20_000).await });
    until("it waits", async || {
        tier.client.metric("weir_cache_tier_waiting", "").await == 1.0
    })
    .await;
    assert_eq!(tier.client.release(&key, &first, 0).await.status, 204);
    assert_ne!(next.await.unwrap().lease(), first);
    assert_eq!(
        tier.client.release(&key, &first, 60_000).await.status,
        204,
        "not its own any more"
    );
    assert_eq!(
        tier.client.lookup(&key, 0).await.status,
        409,
        "the next one holds it"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hit_for_miss_lets_everyone_go_for_a_while() {
    let redis = Redis::start().await;
    let (tier, key) = (ready(settings(&redis)).await, key());
    let lease = tier.client.lookup(&key, 0).await.lease();
    tier.client.release(&key, &lease, 500).await;
    for _ in 0..2 {
        assert_eq!(tier.client.lookup(&key, 20_000).await.status, 410);
    }
    until("it is forgotten", async || {
        tier.client.lookup(&key, 0).await.status == 404
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delete_takes_the_object_and_refuses_fills_under_way() {
    let redis = Redis::start().await;
    let (tier, key) = (ready(settings(&redis)).await, key());
    tier.client.fill(&key, &Fill::default(), "object").await;
    let refresh = tier.client.refresh(&key).await.lease();
    assert_eq!(tier.client.delete(&key).await.status, 204);
    let refused = tier.client.put(&key, &refresh, &Fill::default(), "older").await;
    assert_eq!(refused.status, 409, "{refused:?}");
    let next = tier.client.lookup(&key, 0).await.lease();
    assert_eq!(
        tier.client
            .put(&key, &next, &Fill::default(), "newer")
            .await
            .status,
        204
    );
    tier.client.lookup(&key, 0).await.assert_object("newer");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_refreshes_while_the_others_are_served() {
    let redis = Redis::start().await;
    let (tier, key) = (ready(settings(&redis)).await, key());
    tier.client.fill(&key, &Fill::default(), "old").await;
    let lease = tier.client.refresh(&key).await.lease();
    assert_eq!(tier.client.refresh(&key).await.status, 409);
    tier.client.lookup(&key, 0).await.assert_object("old");
    assert_eq!(
        tier.client
            .put(&key, &lease, &Fill::default(), "new")
            .await
            .status,
        204
    );
    tier.client.lookup(&key, 0).await.assert_object("new");
}

#[tokio::test(flavor = "multi_thread")]
async fn policies_and_namespaces_share_nothing() {
    use http::Method;
    use weir_policy::cache_tier::{lookup_path, object_path};
    use weir_policy::name::Name;
    let redis = Redis::start().await;
    let settings = Settings {
        namespaces: ["default", "other"]
            .map(|name| Name::try_new(name).unwrap())
            .to_vec(),
        ..settings(&redis)
    };
    let (tier, key) = (ready(settings).await, key());
    tier.client.fill(&key, &Fill::default(), "object").await;
    for (namespace, policy) in [("default", "blog"), ("other", "shop")] {
        let path = lookup_path(namespace, policy, &key, 0, false);
        let lease = tier.client.send(Method::POST, &path, &[], "").await.lease();
        let path = object_path(namespace, policy, &key);
        let put = tier
            .client
            .send(Method::PUT, &path, &Fill::default().headers(&lease), policy)
            .await;
        assert_eq!(put.status, 204, "{put:?}");
    }
    tier.client.lookup(&key, 0).await.assert_object("object");
}
