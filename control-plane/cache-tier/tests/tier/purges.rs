//! What is purged is not found, and not stored.

use weir_policy::cache_tier::{PURGED_HEADER, REVISION_HEADER};
use weir_policy::proxy::Purged;

use crate::support::client::{Client, Fill};
use crate::support::control::Control;
use crate::support::redis::Redis;
use crate::support::tier::{caught_up, following};
use crate::support::{key, until};

fn fill(tags: &[&'static str], url: &str, revision: u64) -> Fill {
    Fill {
        tags: tags.to_vec(),
        url: url.to_owned(),
        revision,
        ..Fill::default()
    }
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// Which of the objects are there still.
async fn found(client: &Client, keys: &[String]) -> Vec<bool> {
    let mut found = Vec::new();
    for key in keys {
        found.push(client.lookup(key, 0).await.status == 200);
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn each_purge_takes_what_it_names_and_nothing_else() {
    let redis = Redis::start().await;
    let control = Control::start(10).await;
    let tier = following(&redis, &control).await;
    let client = &tier.client;
    let objects = [
        fill(&["product-1", "shop"], "shop.example/products/1", 10),
        fill(&["product-2", "shop"], "shop.example/products/2?x=1", 10),
        fill(&[], "shop.example/about", 10),
        fill(&["product-11"], "blog.example/products/1", 10),
    ];
    let kept = |policy: Option<&'static str>, what: Purged| {
        let (control, objects) = (&control, &objects);
        async move {
            let mut keys = Vec::new();
            for object in objects {
                let key = key();
                let object = Fill {
                    revision: control.revision(),
                    ..object.clone()
                };
                client.fill(&key, &object, "object").await;
                keys.push(key);
            }
            assert_eq!(found(client, &keys).await, [true; 4]);
            control.purge(policy, false, what);
            caught_up(client, control).await;
            found(client, &keys).await
        }
    };
    let (yes, no) = (true, false);
    assert_eq!(
        kept(None, Purged::Tags(texts(&["product-1"]))).await,
        [no, yes, yes, yes]
    );
    assert_eq!(
        kept(None, Purged::Tags(texts(&["shop", "product-11"]))).await,
        [no, no, yes, no]
    );
    assert_eq!(
        kept(None, Purged::Urls(texts(&["shop.example/products/2?x=1"]))).await,
        [yes, no, yes, yes]
    );
    assert_eq!(
        kept(None, Purged::Prefixes(texts(&["shop.example/products/"]))).await,
        [no, no, yes, yes]
    );
    assert_eq!(
        kept(None, Purged::Prefixes(texts(&["shop.example/a", "blog"]))).await,
        [yes, yes, no, no]
    );
    for what in [
        Purged::All,
        Purged::Tags(texts(&["shop"])),
        Purged::Prefixes(texts(&[""])),
    ] {
        assert_eq!(kept(Some("default/blog"), what).await, [yes; 4]);
    }
    assert_eq!(
        kept(Some("default/shop"), Purged::Tags(texts(&["shop"]))).await,
        [no, no, yes, yes]
    );
    assert_eq!(kept(Some("default/shop"), Purged::All).await, [no; 4]);
    assert_eq!(kept(None, Purged::All).await, [no; 4]);
    assert_eq!(kept(None, Purged::Prefixes(texts(&[""]))).await, [no; 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_soft_purge_makes_stale_and_a_new_fill_makes_fresh() {
    let redis = Redis::start().await;
    let control = Control::start(10).await;
    let tier = following(&redis, &control).await;
    let client = &tier.client;
    for what in [
        Purged::Tags(texts(&["shop"])),
        Purged::Urls(texts(&["shop.example/"])),
        Purged::Prefixes(texts(&["shop."])),
        Purged::All,
    ] {
        let key = key();
        let object = fill(&["shop"], "shop.example/", control.revision());
        client.fill(&key, &object, "old").await;
        assert_eq!(client.lookup(&key, 0).await.header(PURGED_HEADER), None);
        control.purge(None, true, what);
        caught_up(client, &control).await;
        let stale = client.lookup(&key, 0).await;
        stale.assert_object("old");
        assert_eq!(stale.header(PURGED_HEADER), Some("soft"));
        let lease = client.refresh(&key).await.lease();
        let newer = fill(&["shop"], "shop.example/", control.revision());
        assert_eq!(client.put(&key, &lease, &newer, "new").await.status, 204);
        let fresh = client.lookup(&key, 0).await;
        fresh.assert_object("new");
        assert_eq!(fresh.header(PURGED_HEADER), None);
    }
    assert_eq!(
        client
            .metric("weir_cache_tier_lookups_total", r#"outcome="soft_purged""#)
            .await,
        4.0
    );
    assert_eq!(
        client.metric("weir_cache_tier_purges_total", "default").await,
        4.0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fill_that_began_before_a_purge_is_refused() {
    let redis = Redis::start().await;
    let control = Control::start(10).await;
    let tier = following(&redis, &control).await;
    let client = &tier.client;
    for (soft, what) in [
        (false, Purged::Tags(texts(&["shop"]))),
        (true, Purged::Tags(texts(&["shop"]))),
        (false, Purged::Urls(texts(&["shop.example/"]))),
        (false, Purged::Prefixes(texts(&["shop."]))),
        (false, Purged::All),
    ] {
        let key = key();
        let before = fill(&["shop"], "shop.example/", control.revision());
        let lease = client.lookup(&key, 0).await.lease();
        control.purge(None, soft, what);
        caught_up(client, &control).await;
        let refused = client.put(&key, &lease, &before, "old").await;
        assert_eq!(
            (refused.status, &refused.problem()["field"]),
            (409, &"x-weir-lease".into())
        );
        let next = client.lookup(&key, 0).await.lease();
        let after = fill(&["shop"], "shop.example/", control.revision());
        assert_eq!(client.put(&key, &next, &after, "new").await.status, 204);
    }
    assert_eq!(
        client
            .metric("weir_cache_tier_puts_total", r#"outcome="purged""#)
            .await,
        5.0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_knows_more_than_the_tier_is_not_believed() {
    let redis = Redis::start().await;
    let control = Control::start(10).await;
    let tier = following(&redis, &control).await;
    let key = key();
    tier.client
        .fill(&key, &fill(&["shop"], "shop.example/", 99), "object")
        .await;
    assert_eq!(
        tier.client.lookup(&key, 0).await.header(REVISION_HEADER),
        Some("10")
    );
    control.purge(None, false, Purged::Tags(texts(&["shop"])));
    caught_up(&tier.client, &control).await;
    tier.client.lookup(&key, 0).await.lease();
}

#[tokio::test(flavor = "multi_thread")]
async fn where_purges_were_missed_nothing_is_found_and_no_fill_stored() {
    let redis = Redis::start().await;
    let control = Control::start(500).await;
    let tier = following(&redis, &control).await;
    let client = &tier.client;
    let purges: [(&str, &dyn Fn()); 2] = [
        ("forgotten", &|| control.forget(100)),
        ("another history", &|| control.start_anew(3)),
    ];
    for (what, lose) in purges {
        let (stored, filling) = (key(), key());
        client
            .fill(&stored, &fill(&[], "shop.example/", control.revision()), "object")
            .await;
        let lease = client.lookup(&filling, 0).await.lease();
        let before = fill(&[], "shop.example/", control.revision());
        lose();
        caught_up(client, &control).await;
        client.lookup(&stored, 0).await.lease();
        assert_eq!(
            client.put(&filling, &lease, &before, "old").await.status,
            409,
            "{what}"
        );
        let lease = client.lookup(&filling, 0).await.lease();
        // A revision of the former history, of a proxy that does not know yet.
        assert_eq!(
            client
                .put(&filling, &lease, &fill(&["shop"], "shop.example/", 600), "new")
                .await
                .status,
            204
        );
        client.lookup(&filling, 0).await.assert_object("new");
        control.purge(None, false, Purged::Tags(texts(&["shop"])));
        caught_up(client, &control).await;
        client.lookup(&filling, 0).await.lease();
        control.purge(None, false, Purged::All);
        caught_up(client, &control).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn purges_that_happened_while_no_tier_ran_are_caught_up_with() {
    let redis = Redis::start().await;
    let control = Control::start(10).await;
    let tier = following(&redis, &control).await;
    let keys = [key(), key()];
    tier.client
        .fill(&keys[0], &fill(&["shop"], "shop.example/", 10), "object")
        .await;
    tier.client
        .fill(&keys[1], &fill(&["blog"], "blog.example/", 10), "object")
        .await;
    drop(tier);
    control.purge(None, false, Purged::Tags(texts(&["shop"])));
    let tiers = [
        following(&redis, &control).await,
        following(&redis, &control).await,
    ];
    for tier in tiers {
        assert_eq!(found(&tier.client, &keys[1..]).await, [true]);
        assert_ne!(tier.client.lookup(&keys[0], 0).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_lost_its_last_writes_is_told_them_again() {
    let redis = Redis::start().await;
    let control = Control::start(10).await;
    let tier = following(&redis, &control).await;
    let key = key();
    tier.client
        .fill(&key, &fill(&["shop"], "shop.example/", 10), "object")
        .await;
    let keys = redis.command(&["KEYS", "*object*"]).await.unwrap();
    let redis::Value::Array(keys) = keys else {
        panic!("{keys:?}")
    };
    let redis::Value::BulkString(name) = &keys[0] else {
        panic!("{keys:?}")
    };
    let partition = std::str::from_utf8(name)
        .unwrap()
        .split("object:")
        .next()
        .unwrap()
        .to_owned();
    control.purge(None, false, Purged::Tags(texts(&["shop"])));
    caught_up(&tier.client, &control).await;
    // One partition is as it was before the purge.
    redis
        .command(&["DEL", &format!("{partition}tags"), &format!("{partition}ages")])
        .await
        .unwrap();
    redis
        .command(&["HSET", &format!("{partition}facts"), "cursor", "10"])
        .await
        .unwrap();
    tier.client.lookup(&key, 0).await.assert_object("object");
    control.purge(None, false, Purged::Tags(texts(&["nothing"])));
    until("it is told again", async || {
        tier.client.lookup(&key, 0).await.status != 200
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_purges_are_bounded_and_the_oldest_take_more_with_them() {
    let redis = Redis::start().await;
    let control = Control::start(10).await;
    let tier = following(&redis, &control).await;
    let (old, young) = (key(), key());
    tier.client
        .fill(&old, &fill(&[], "shop.example/", 10), "object")
        .await;
    for number in 0..300 {
        control.purge(
            None,
            false,
            Purged::Prefixes(vec![format!("other.example/{number}")]),
        );
    }
    caught_up(&tier.client, &control).await;
    tier.client.lookup(&old, 0).await.lease();
    tier.client
        .fill(&young, &fill(&[], "other.example/7", 310), "object")
        .await;
    for number in 0..200 {
        control.purge(
            None,
            false,
            Purged::Prefixes(vec![format!("more.example/{number}")]),
        );
    }
    caught_up(&tier.client, &control).await;
    tier.client.lookup(&young, 0).await.assert_object("object");
    let kept = redis
        .command(&["ZCARD", "weir:{default.0}:prefixes"])
        .await
        .unwrap();
    assert_eq!(kept, redis::Value::Int(256));
}
