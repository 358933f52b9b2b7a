//! Several proxies with caches: what they share by a tier, and how purges reach all of them.

use http::Method;
use serde_json::{Value, json};

use crate::support::cached::{Cached, CachingProxy, USUAL, policy};
use crate::support::client::Answer;
use crate::support::origin::{cache_status, is_hit};
use crate::support::redis::Redis;
use crate::support::tier::Tier;
use crate::support::wait::until;

const PAGE: &str = "/pages/1";
const TAGGED: [(&str, &str); 2] = [("cache-control", "max-age=3600"), ("surrogate-key", "page all")];

/// Two proxies and the tier that they share; it is dropped before its Redis.
struct Shared {
    cached: Cached,
    tier: Tier,
    _redis: Redis,
}

impl Shared {
    async fn start() -> Self {
        let redis = Redis::start().await;
        let stack = Cached::start(2, 2, vec![policy(json!({}))]).await;
        let tier = Tier::start(&redis, &["--control", &stack.stack.rest()]).await;
        tier.knows_purges().await;
        stack.stack.apply(vec![tier.backend()]).await;
        stack
            .change(json!({"tier2": {"backend": "tier", "timeout": "20s", "wait": "10s"}}))
            .await;
        stack.origin.set(PAGE, &TAGGED);
        Self {
            cached: stack,
            tier,
            _redis: redis,
        }
    }

    fn proxies(&self) -> [&CachingProxy; 2] {
        [&self.cached.proxies[0], &self.cached.proxies[1]]
    }

    fn asked(&self) -> usize {
        self.cached.origin.asked(PAGE)
    }
}

/// Does something, and waits until the tier has done `changes` more changes for this proxy.
async fn and_told_the_tier<T>(proxy: &CachingProxy, changes: u64, work: impl AsyncFnOnce() -> T) -> T {
    let before = proxy.count("tier2", "outcome.done").await;
    let done = work().await;
    until("the tier is told", async || {
        (proxy.count("tier2", "outcome.done").await >= before + changes).then_some(())
    })
    .await;
    done
}

fn from_tier(answer: &Answer) -> bool {
    is_hit(answer) && cache_status(answer).is_some_and(|told| told.contains("detail=\"tier2\""))
}

async fn in_language(proxy: &CachingProxy, language: &str) -> Answer {
    proxy
        .client()
        .get(PAGE, &[USUAL[0], USUAL[1], ("accept-language", language)])
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_proxy_stores_the_other_serves() {
    let shared = Shared::start().await;
    let [one, two] = shared.proxies();
    let first = and_told_the_tier(one, 1, async || one.get(PAGE).await).await;
    let answer = two.get(PAGE).await;
    assert!(from_tier(&answer), "{answer:?}");
    assert_eq!(answer.body, first.body);
    let again = two.get(PAGE).await;
    assert!(is_hit(&again) && !from_tier(&again), "{again:?}");
    assert_eq!(shared.asked(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn variants_are_told_apart_in_the_tier() {
    let shared = Shared::start().await;
    let [one, two] = shared.proxies();
    let varied = [("cache-control", "max-age=3600"), ("vary", "accept-language")];
    shared.cached.origin.set(PAGE, &varied);
    let mut stored = Vec::new();
    for language in ["de", "en"] {
        let answer = and_told_the_tier(one, 1, async || in_language(one, language).await).await;
        stored.push((language, answer));
    }
    for (language, answer) in &stored {
        let other = in_language(two, language).await;
        assert!(from_tier(&other), "{language}: {other:?}");
        assert_eq!(other.body, answer.body);
    }
    let unknown = in_language(two, "fr").await;
    assert!(!is_hit(&unknown), "{unknown:?}");
    assert_eq!(shared.asked(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_by_tag_reaches_both_proxies_and_the_tier() {
    let shared = Shared::start().await;
    let [one, two] = shared.proxies();
    let first = and_told_the_tier(one, 1, async || one.get(PAGE).await).await;
    assert!(from_tier(&two.get(PAGE).await));
    shared.cached.purge(&["tag", "page"]);
    until("the tier knows", async || {
        let purges = shared.tier.metric("weir_cache_tier_purges_total").await?;
        (purges != "0").then_some(())
    })
    .await;
    for proxy in [one, two] {
        until("it serves what is new", async || {
            (proxy.get(PAGE).await.body != first.body).then_some(())
        })
        .await;
        for answer in proxy.of_all_workers(PAGE).await {
            assert_ne!(answer.body, first.body);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fill_from_before_a_purge_is_stored_nowhere() {
    let shared = Shared::start().await;
    let [one, two] = shared.proxies();
    shared.cached.origin.hold();
    let client = one.client();
    let late = tokio::spawn(async move { client.get(PAGE, &USUAL).await });
    until("the origin is asked", async || {
        (shared.asked() == 1).then_some(())
    })
    .await;
    shared.cached.purge(&["tag", "page"]);
    shared.cached.origin.release();
    let late = late.await.unwrap();
    assert_eq!(late.text(), format!("{PAGE} alice 1"));
    for proxy in [one, two] {
        for answer in proxy.of_all_workers(PAGE).await {
            assert_ne!(answer.body, late.body, "{answer:?}");
        }
    }
    one.comes_to(1, "fills", "fenced").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unsafe_request_clears_the_tier() {
    let shared = Shared::start().await;
    let [one, two] = shared.proxies();
    and_told_the_tier(one, 1, async || one.get(PAGE).await).await;
    shared.cached.origin.set(PAGE, &[("cache-control", "no-store")]);
    and_told_the_tier(one, 1, async || one.send(Method::POST, PAGE).await).await;
    let answer = two.get(PAGE).await;
    assert!(!is_hit(&answer), "{answer:?}");
    assert_eq!(answer.text(), format!("{PAGE} alice 3"));
}

/// What is not purged stays.
#[tokio::test(flavor = "multi_thread")]
async fn a_purge_is_in_force_in_every_worker_of_five_proxies() {
    let cached = Cached::start(5, 2, vec![policy(json!({}))]).await;
    cached.origin.set(PAGE, &TAGGED);
    for proxy in &cached.proxies {
        proxy.get(PAGE).await;
        proxy.get("/other").await;
    }
    let old = answers(&cached).await;
    assert_eq!((old.len(), cached.origin.asked(PAGE)), (5, 5));
    for what in [["tag", "page"], ["prefix", "shop.example/pages"]] {
        let old = answers(&cached).await;
        cached.purge(&what);
        for (proxy, old) in cached.proxies.iter().zip(&old) {
            until("it serves what is new", async || {
                (proxy.get(PAGE).await.text() != *old).then_some(())
            })
            .await;
            let now = proxy.of_all_workers(PAGE).await;
            assert!(now.iter().all(|answer| answer.text() != *old), "{now:?}");
        }
    }
    for proxy in &cached.proxies {
        assert!(is_hit(&proxy.get("/other").await));
    }
    assert_eq!(cached.origin.asked("/other"), 5);
    assert_eq!(cached.origin.asked(PAGE), 15);
}

/// Each proxy's answer.
async fn answers(cached: &Cached) -> Vec<String> {
    let mut answers = Vec::new();
    for proxy in &cached.proxies {
        answers.push(proxy.get(PAGE).await.text());
    }
    answers
}

/// A purge that is acknowledged while a proxy can't ask reaches it later.
#[tokio::test(flavor = "multi_thread")]
async fn caches_serve_while_the_control_plane_is_down_and_learn_the_purge_after() {
    let mut cached = Cached::start(1, 2, vec![policy(json!({}))]).await;
    let first = cached.proxy().get(PAGE).await.text();
    cached.stack.server.kill();
    for answer in cached.proxy().of_all_workers(PAGE).await {
        assert!(is_hit(&answer), "{answer:?}");
        assert_eq!(answer.text(), first);
    }
    assert!(!is_hit(&cached.proxy().get("/pages/2").await));
    cached.stack.restart(&[]).await;
    let done: Value = cached.weir(&["purge", "all"]);
    assert!(done["revision"].as_u64().is_some(), "{done}");
    until("the purge has come", async || {
        (cached.proxy().get(PAGE).await.text() != first).then_some(())
    })
    .await;
    for answer in cached.proxy().of_all_workers(PAGE).await {
        assert_ne!(answer.text(), first);
    }
}
