//! A cache before replicas of which one is slow: who waits for one answer waits for at most two tries of it.

use http::StatusCode;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::support::cached::{Cached, USUAL, policy};
use crate::support::client::Answer;
use crate::support::documents::document;
use crate::support::hedges::Hedges;
use crate::support::origin::{Origin, is_fill, is_hit};
use crate::support::wait::until;

const PAGE: &str = "/pages/1";
const CLIENTS: usize = 100;
/// By which a client would ask Envoy for tries.
const ASKING: [(&str, &str); 4] = [
    ("x-envoy-hedge-on-per-try-timeout", "true"),
    ("x-envoy-upstream-rq-per-try-timeout-ms", "20"),
    ("x-envoy-retry-on", "5xx,reset,retriable-status-codes"),
    ("x-envoy-max-retries", "3"),
];

/// Two replicas of every shard, behind a cache that waits longer than any machine needs.
struct Pages {
    replicas: [Origin; 2],
    cached: Cached,
}

/// Hedges every read, after 20 ms.
fn hedging() -> Value {
    let spec = json!({
        "minDelay": "20ms", "maxDelay": "20ms", "coldStart": "20ms",
        "budget": {"percent": 100, "minPerSecond": 100},
    });
    document("HedgePolicy", "reads", spec)
}

fn backend(shard: &str, primary: &Origin, replicas: &[Origin]) -> Value {
    let endpoint = |origin: &Origin, role: &str| {
        let (ip, port) = (origin.address.ip().to_string(), origin.address.port());
        json!({"address": ip, "port": port, "role": role})
    };
    let mut endpoints = vec![endpoint(primary, "primary")];
    endpoints.extend(replicas.iter().map(|replica| endpoint(replica, "replica")));
    document(
        "Backend",
        &format!("backend-{shard}"),
        json!({"endpoints": endpoints}),
    )
}

impl Pages {
    async fn start(workers: u32) -> Self {
        let patient = policy(json!({"coalesce": {"timeout": "60s"}}));
        let cached = Cached::start(1, workers, vec![patient, hedging()]).await;
        let ip = cached.stack.ip;
        let replicas = [Origin::start(ip).await, Origin::start(ip).await];
        let backends = ["a", "b"].map(|shard| backend(shard, &cached.origin, &replicas));
        cached.stack.apply(backends.to_vec()).await;
        let pages = Self { replicas, cached };
        pages.warm().await;
        pages
    }

    /// Until both replicas are asked, and there are tokens.
    async fn warm(&self) {
        let mut number = 0;
        until("a second try may leave", async || {
            number += 1;
            let path = format!("/warm/{number}");
            let answer = self.cached.proxy().get(&path).await;
            assert!(is_fill(&answer), "{answer:?}");
            let asked = self.replicas.iter().all(|replica| replica.asked_in_all() > 0);
            let armed = self.hedges().counted("decisions", "decision.armed").await;
            (asked && armed > 0).then_some(())
        })
        .await;
    }

    fn hedges(&self) -> Hedges<'_> {
        Hedges::of(&self.cached.proxy().proxy)
    }

    fn hold(&self) {
        self.replicas.iter().for_each(Origin::hold);
    }

    /// How often the replicas together were asked for a path.
    fn asked(&self, path: &str) -> usize {
        self.replicas.iter().map(|replica| replica.asked(path)).sum()
    }

    async fn comes_to(&self, path: &str, expected: usize) {
        until("the replicas are asked", async || {
            (self.asked(path) >= expected).then_some(())
        })
        .await;
    }

    /// A request on a connection of its own.
    fn ask(&self, path: &'static str, more: &'static [(&str, &str)]) -> JoinHandle<Answer> {
        let client = self.cached.proxy().client();
        tokio::spawn(async move { client.get(path, &[&USUAL, more].concat()).await })
    }

    /// Everything that the filter has decided on, and every second try, has been asked of someone.
    async fn count_what_is_asked(&self) {
        let origins = self.replicas.iter().chain([&self.cached.origin]);
        let asked: usize = origins.map(Origin::asked_in_all).sum();
        until("the filter counts what the origins are asked", async || {
            let decided = self.hedges().counted("decisions", "").await;
            let sent = self.hedges().counted("hedges", "outcome.sent").await;
            (decided + sent == asked as u64).then_some(())
        })
        .await;
        self.hedges().count_what_envoy_sends().await;
    }
}

/// The first replica never answers.
async fn a_crowd_for_a_cold_key(workers: u32) {
    let pages = Pages::start(workers).await;
    let before = pages.hedges().sent_by_envoy().await;
    pages.hold();
    let crowd: Vec<_> = (0..CLIENTS).map(|_| pages.ask(PAGE, &[])).collect();
    pages.cached.proxy().under_way(CLIENTS).await;
    pages.comes_to(PAGE, 2).await;
    pages.replicas[1].release();
    let whole = format!("{PAGE} alice 1");
    for answer in crowd {
        let answer = answer.await.unwrap();
        assert_eq!((answer.status, answer.text()), (StatusCode::OK, whole.clone()));
    }
    for answer in pages.cached.proxy().of_all_workers(PAGE).await {
        assert!(is_hit(&answer), "{answer:?}");
        assert_eq!(answer.text(), whole);
    }
    assert_eq!([0, 1].map(|number| pages.replicas[number].asked(PAGE)), [1, 1]);
    assert_eq!(pages.hedges().sent_by_envoy().await, before + 1);
    pages.count_what_is_asked().await;
    assert_eq!(pages.cached.proxy().proxy.vm_reloads().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_for_a_cold_key_is_one_read_and_its_hedge_with_one_worker() {
    a_crowd_for_a_cold_key(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_for_a_cold_key_is_one_read_and_its_hedge_with_four_workers() {
    a_crowd_for_a_cold_key(4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_cache_asks_for_itself_is_sent_once_whatever_the_client_says() {
    const OLD: &str = "/old";
    const STALE: &str = "/stale";
    let pages = Pages::start(1).await;
    for replica in &pages.replicas {
        replica.set(OLD, &[("cache-control", "max-age=0"), ("etag", "\"1\"")]);
        replica.set(
            STALE,
            &[
                ("cache-control", "max-age=0, stale-while-revalidate=60"),
                ("etag", "\"1\""),
            ],
        );
    }
    for path in [OLD, STALE] {
        assert!(is_fill(&pages.cached.proxy().get(path).await), "{path}");
    }
    pages.hold();
    let validated = pages.ask(OLD, &ASKING);
    pages.comes_to(OLD, 2).await;
    assert_eq!(
        pages.ask(STALE, &ASKING).await.unwrap().text(),
        format!("{STALE} alice 1")
    );
    pages.comes_to(STALE, 2).await;
    // That long it took until a client's own request was sent twice.
    let slow = pages.ask(PAGE, &[]);
    pages.comes_to(PAGE, 2).await;
    assert_eq!([OLD, STALE].map(|path| pages.asked(path)), [2, 2]);
    pages.replicas.iter().for_each(Origin::release);
    for answer in [validated, slow] {
        assert_eq!(answer.await.unwrap().status, StatusCode::OK);
    }
}
