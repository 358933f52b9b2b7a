//! Objects of one key beside one another.

use std::time::Duration;

use tokio::task::JoinSet;
use weir_cache_tier::Settings;
use weir_policy::cache_tier::VARY_HEADER;

use crate::support::client::Fill;
use crate::support::redis::Redis;
use crate::support::tier::{ready, settings};
use crate::support::{key, until};

fn in_language(language: &'static str) -> Fill {
    Fill {
        vary: "Accept-Language",
        fields: vec![("accept-language", language)],
        ..Fill::default()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_request_finds_its_own_variant() {
    let redis = Redis::start().await;
    let (tier, key) = (ready(settings(&redis)).await, key());
    tier.client.fill(&key, &in_language("de"), "Hallo").await;
    tier.client.fill(&key, &in_language("fr"), "Salut").await;
    let other = ready(settings(&redis)).await;
    for client in [&tier.client, &other.client] {
        for (language, body) in [("de", "Hallo"), (" fr ", "Salut")] {
            let hit = client
                .lookup_with(&key, 0, &[("Accept-Language", language), ("x", "y")])
                .await;
            hit.assert_object(body);
            assert_eq!(hit.header(VARY_HEADER), Some("accept-language"));
        }
    }
    let miss = tier.client.lookup(&key, 0).await;
    assert_eq!(miss.header(VARY_HEADER), Some("accept-language"));
    miss.lease();
    let third = tier
        .client
        .lookup_with(&key, 0, &[("accept-language", "it")])
        .await;
    third.lease();
    assert_eq!(tier.client.delete(&key).await.status, 204);
    tier.client
        .lookup_with(&key, 0, &[("accept-language", "de")])
        .await
        .lease();
    let french = tier
        .client
        .lookup_with(&key, 0, &[("accept-language", "fr")])
        .await;
    assert_eq!(french.status, 409, "it is not known any more that they differ");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_the_first_fill_does_not_get_another_variant() {
    let redis = Redis::start().await;
    let (tier, key) = (ready(settings(&redis)).await, key());
    let german = in_language("de");
    let lease = tier.client.lookup_with(&key, 0, &german.fields).await.lease();
    let mut waiters: JoinSet<_> = ["de", "fr", "de", "fr", "de"]
        .into_iter()
        .map(|language| {
            let (client, key) = (tier.client.clone(), key.clone());
            async move {
                let fields = [("accept-language", language)];
                (language, client.lookup_with(&key, 20_000, &fields).await)
            }
        })
        .collect();
    until("all wait", async || {
        tier.client.metric("weir_cache_tier_waiting", "").await == 5.0
    })
    .await;
    assert_eq!(tier.client.put(&key, &lease, &german, "Hallo").await.status, 204);
    let mut french = 0;
    while let Some(answer) = waiters.join_next().await {
        match answer.unwrap() {
            ("de", answer) => answer.assert_object("Hallo"),
            (_, answer) if answer.status == 404 => {
                french += 1;
                let put = tier
                    .client
                    .put(&key, &answer.lease(), &in_language("fr"), "Salut")
                    .await;
                assert_eq!(put.status, 204, "{put:?}");
            }
            (_, answer) => answer.assert_object("Salut"),
        }
    }
    assert_eq!(french, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_names_to_vary_by_make_all_former_variants_unknown() {
    let redis = Redis::start().await;
    let (tier, key) = (ready(settings(&redis)).await, key());
    tier.client.fill(&key, &in_language("de"), "Hallo").await;
    let plain = Fill {
        fields: vec![("accept-language", "fr")],
        ..Fill::default()
    };
    tier.client.fill(&key, &plain, "the same for all").await;
    for language in ["de", "fr", "it"] {
        let hit = tier
            .client
            .lookup_with(&key, 0, &[("accept-language", language)])
            .await;
        hit.assert_object("the same for all");
    }
    let refresh = tier.client.refresh(&key).await.lease();
    tier.client.put(&key, &refresh, &in_language("de"), "Hallo").await;
    tier.client
        .lookup_with(&key, 0, &[("accept-language", "de")])
        .await
        .assert_object("Hallo");
    tier.client
        .lookup_with(&key, 0, &[("accept-language", "it")])
        .await
        .lease();
}

#[tokio::test(flavor = "multi_thread")]
async fn variants_and_leases_of_a_key_are_bounded() {
    let redis = Redis::start().await;
    let settings = Settings {
        lease: Duration::from_secs(600),
        ..settings(&redis)
    };
    let (tier, key) = (ready(settings).await, key());
    tier.client.fill(&key, &in_language("de"), "Hallo").await;
    let mut statuses = Vec::new();
    for number in 0..500 {
        let language = number.to_string();
        let fields = [("accept-language", language.as_str())];
        let answer = tier.client.lookup_with(&key, 0, &fields).await;
        statuses.push(answer.status);
        if number < 100 {
            let fill = Fill {
                vary: "accept-language",
                fields: vec![("accept-language", language.leak())],
                ttl_ms: 100_000 + number,
                ..Fill::default()
            };
            assert_eq!(
                tier.client.put(&key, &answer.lease(), &fill, "x").await.status,
                204
            );
        }
    }
    assert_eq!(statuses[..100], [404; 100]);
    assert_eq!(statuses[499], 410, "no more leases");
    tier.client
        .lookup_with(&key, 0, &[("accept-language", "99")])
        .await
        .assert_object("x");
    let keys = redis.command(&["KEYS", "*object*"]).await.unwrap();
    let redis::Value::Array(keys) = keys else {
        panic!("{keys:?}")
    };
    let redis::Value::BulkString(name) = &keys[0] else {
        panic!("{keys:?}")
    };
    let fields = redis
        .command(&["HLEN", std::str::from_utf8(name).unwrap()])
        .await
        .unwrap();
    assert_eq!(fields, redis::Value::Int(512));
}
