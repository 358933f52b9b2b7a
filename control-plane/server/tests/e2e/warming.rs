//! What is fetched before anybody asks for it, on real Envoys.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Response, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};
use weir_policy::proxy::CacheWarm;

use crate::support::cached::{Cached, CachingProxy, policy};
use crate::support::client::Answer;
use crate::support::origin::{cache_status, is_hit};
use crate::support::redis::Redis;
use crate::support::server;
use crate::support::stack::Stack;
use crate::support::tier::Tier;
use crate::support::wait::until;

/// Never due while a test runs.
const NEVER: &str = "0 0 29 2 *";

/// A strategy `catalog` with these fields too.
fn strategy(fields: Value) -> Value {
    let mut strategy = json!({"name": "catalog", "schedule": NEVER, "host": "shop.example",
                              "headers": [{"name": "x-user-id", "value": "alice"}]});
    let Value::Object(fields) = fields else {
        panic!("{fields}");
    };
    strategy.as_object_mut().unwrap().extend(fields);
    strategy
}

fn warming(fields: Value) -> Value {
    json!({"warming": [strategy(fields)]})
}

fn paths(count: usize) -> Vec<String> {
    (1..=count).map(|number| format!("/p/{number}")).collect()
}

/// Starts a run, and gives its name.
fn begin(cached: &Cached, urls: &[&str]) -> Value {
    let mut arguments = vec!["cache", "warm", "pages", "catalog"];
    urls.iter().for_each(|url| arguments.extend(["--url", url]));
    cached.weir(&arguments)
}

async fn status(stack: &Stack) -> Value {
    stack.api.get("/v1/cache/warm", &[]).await.json()
}

/// The history's entry of a run.
async fn run(stack: &Stack, job: &Value) -> Value {
    let status = status(stack).await;
    let runs = status["runs"].as_array().unwrap();
    runs.iter().find(|run| run["job"] == *job).unwrap().clone()
}

/// The same, once the run has ended.
async fn ended(stack: &Stack, job: &Value) -> Value {
    until("the run has ended", async || {
        let run = run(stack, job).await;
        (run["standing"] != "underWay").then_some(run)
    })
    .await
}

/// What the API says of a run: how it stands, and its requests, those fetched, hit and failed.
fn counts(run: &Value) -> (&str, [u64; 4]) {
    let count = |field: &str| run[field].as_u64().unwrap();
    (
        run["standing"].as_str().unwrap(),
        ["requests", "fetched", "hit", "failed"].map(count),
    )
}

async fn metric(stack: &Stack, line: &str) -> u64 {
    let text = stack.api.get("/metrics", &[]).await.text();
    let mut values = text.lines().filter_map(|known| known.strip_prefix(line));
    values.next().unwrap().trim().parse().unwrap()
}

async fn runs(stack: &Stack, outcome: &str) -> u64 {
    metric(stack, &format!("weir_warm_runs_total{{outcome=\"{outcome}\"}}")).await
}

async fn urls(stack: &Stack, outcome: &str) -> u64 {
    metric(stack, &format!("weir_warm_urls_total{{outcome=\"{outcome}\"}}")).await
}

fn from_tier(answer: &Answer) -> bool {
    is_hit(answer) && cache_status(answer).is_some_and(|told| told.contains("detail=\"tier2\""))
}

/// Every path is a hit, and the origin hears nothing of it.
async fn assert_warm(cached: &Cached, proxy: &CachingProxy, paths: &[String]) {
    for path in paths {
        let asked = cached.origin.asked(path);
        let answer = proxy.get(path).await;
        assert!(is_hit(&answer), "{path}: {answer:?}");
        assert_eq!(cached.origin.asked(path), asked, "{path}");
    }
}

/// Pauses may be longer than they are meant to be, never shorter.
#[tokio::test(flavor = "multi_thread")]
async fn what_fails_is_tried_again_after_ever_longer_pauses_and_given_up_in_the_end() {
    let spec = warming(json!({"urls": ["/p/1", "/p/2"], "retries": 2}));
    let cached = Cached::start(1, 2, vec![policy(spec)]).await;
    cached.origin.fail("/p/2", 2);
    let first = begin(&cached, &[])["job"].clone();
    let run = ended(&cached.stack, &first).await;
    assert_eq!(counts(&run), ("done", [2, 2, 0, 0]), "{run}");
    let times = cached.origin.asked_at("/p/2");
    let pauses: Vec<Duration> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(pauses.len(), 2);
    for (pause, least_ms) in pauses.iter().zip([950, 1_950]) {
        assert!(*pause >= Duration::from_millis(least_ms), "{pauses:?}");
    }
    assert_warm(&cached, cached.proxy(), &paths(2)).await;

    cached.origin.fail("/p/3", usize::MAX);
    let second = begin(&cached, &["/p/1", "/p/3"])["job"].clone();
    let run = ended(&cached.stack, &second).await;
    assert_eq!(counts(&run), ("failed", [2, 0, 1, 1]), "{run}");
    assert_eq!(cached.origin.asked("/p/3"), 3);

    let status = status(&cached.stack).await;
    let history: Vec<_> = status["runs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|run| &run["job"])
        .collect();
    assert_eq!(history, [&second, &first]);
    let stack = &cached.stack;
    assert_eq!((runs(stack, "done").await, runs(stack, "failed").await), (1, 1));
    assert_eq!(
        (
            urls(stack, "fetched").await,
            urls(stack, "hit").await,
            urls(stack, "failed").await
        ),
        (2, 1, 1)
    );
    assert_eq!(metric(stack, "weir_warm_runs_under_way ").await, 0);
}

/// What a source of keys answers.
#[derive(Clone)]
struct Keys(Arc<Mutex<(StatusCode, Value)>>);

impl Keys {
    async fn start(stack: &Stack) -> (Self, String) {
        let keys = Self(Arc::new(Mutex::new((StatusCode::BAD_GATEWAY, Value::Null))));
        let known = keys.clone();
        let address = server::start(stack.ip, 0, move |_| {
            let (status, document) = known.0.lock().unwrap().clone();
            let answer = Response::builder().status(status);
            std::future::ready(answer.body(Full::from(document.to_string())).unwrap())
        })
        .await;
        (keys, format!("http://{address}/ids"))
    }

    fn set(&self, items: Value) {
        *self.0.lock().unwrap() = (StatusCode::OK, json!({"items": items}));
    }
}

/// Waits until the strategy's last run did not begin, for a reason with these words in it.
async fn refused(stack: &Stack, words: &str) {
    until(words, async || {
        let status = status(stack).await;
        let failure = status["strategies"][0]["failure"].as_str()?;
        failure.contains(words).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_a_source_fill_the_template_whenever_the_time_comes() {
    let cached = Cached::start(1, 2, vec![policy(json!({}))]).await;
    let (stack, (keys, url)) = (&cached.stack, Keys::start(&cached.stack).await);
    let source = json!({"url": url, "pointer": "/items", "field": "id"});
    let every_second = json!({"schedule": "* * * * * *", "template": "/p/{key}?x=1", "keys": source});
    cached.change(warming(every_second)).await;
    refused(stack, "answered 502").await;
    keys.set(json!(vec![json!({"id": 1}); 10_001]));
    refused(stack, "10001 keys: expected at most 10000").await;
    assert_eq!(status(stack).await["runs"], json!([]));
    assert!(runs(stack, "not_begun").await >= 2);

    keys.set(json!([{"id": "a b"}, {"id": 7}, {"id": "\u{e4}/b"}]));
    let run = until("a run is done", async || {
        let status = status(stack).await;
        let mut runs = status["runs"].as_array().unwrap().iter();
        runs.find(|run| run["standing"] == "done").cloned()
    })
    .await;
    assert_eq!((&run["urls"], &run["requests"]), (&json!(3), &json!(3)), "{run}");
    assert_eq!(status(stack).await["strategies"][0].get("failure"), None);
    for path in ["/p/a%20b", "/p/7", "/p/%C3%A4%2Fb"] {
        let answer = cached.proxy().get(&format!("{path}?x=1")).await;
        assert!(is_hit(&answer), "{path}: {answer:?}");
        assert_eq!(cached.origin.asked(path), 1, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn proxies_that_share_nothing_each_fetch_everything() {
    let paths = paths(12);
    let cached = Cached::start(2, 2, vec![policy(warming(json!({"urls": paths})))]).await;
    let done = begin(&cached, &[]);
    assert_eq!(
        (&done["urls"], &done["proxies"], &done["requests"]),
        (&json!(12), &json!(2), &json!(24))
    );
    let run = ended(&cached.stack, &done["job"]).await;
    assert_eq!(
        (counts(&run), &run["proxies"]),
        (("done", [24, 24, 0, 0]), &json!(2)),
        "{run}"
    );
    for path in &paths {
        assert_eq!(cached.origin.asked(path), 2, "{path}");
    }
    for proxy in &cached.proxies {
        assert_warm(&cached, proxy, &paths).await;
    }
}

/// The paths that each of the two proxies fetches, as every proxy finds for itself.
fn shares(paths: &[String]) -> [Vec<String>; 2] {
    let nodes = vec!["edge-1".to_owned(), "edge-2".to_owned()];
    let warm = CacheWarm {
        job: String::new(),
        policy: String::new(),
        host: String::new(),
        headers: Vec::new(),
        urls: Vec::new(),
        parallelism: 1,
        retries: 0,
        nodes: Some(nodes.clone()),
    };
    let of = |node: &String| {
        paths
            .iter()
            .filter(|path| warm.is_for(node.as_bytes(), path))
            .cloned()
            .collect()
    };
    [of(&nodes[0]), of(&nodes[1])]
}

#[tokio::test(flavor = "multi_thread")]
async fn proxies_that_share_a_tier_each_fetch_a_share() {
    let redis = Redis::start().await;
    let cached = Cached::start(2, 2, vec![policy(json!({}))]).await;
    let tier = Tier::start(&redis, &["--control", &cached.stack.rest()]).await;
    tier.knows_purges().await;
    cached.stack.apply(vec![tier.backend()]).await;
    let paths = paths(12);
    let mut spec = warming(json!({"urls": paths}));
    spec["tier2"] = json!({"backend": "tier", "timeout": "20s", "wait": "10s"});
    cached.change(spec).await;

    let done = begin(&cached, &[]);
    assert_eq!((&done["proxies"], &done["requests"]), (&json!(2), &json!(12)));
    let run = ended(&cached.stack, &done["job"]).await;
    assert_eq!(
        (counts(&run), &run["proxies"]),
        (("done", [12, 12, 0, 0]), &json!(2)),
        "{run}"
    );
    let shares = shares(&paths);
    for (proxy, share) in cached.proxies.iter().zip(&shares) {
        assert!(!share.is_empty());
        until("the tier has the share", async || {
            let told = proxy.count("tier2", "outcome.done").await;
            (told >= share.len() as u64).then_some(())
        })
        .await;
    }
    for (proxy, own) in cached.proxies.iter().zip(&shares) {
        for path in &paths {
            let answer = proxy.get(path).await;
            assert!(is_hit(&answer), "{path}: {answer:?}");
            assert_eq!(from_tier(&answer), !own.contains(path), "{path}: {answer:?}");
        }
    }
    for path in &paths {
        assert_eq!(cached.origin.asked(path), 1, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_requests_are_under_way_than_the_strategy_says() {
    let paths = paths(300);
    let spec = warming(json!({"urls": paths, "parallelism": 3}));
    let cached = Cached::start(1, 2, vec![policy(spec)]).await;
    cached.origin.hold();
    let job = begin(&cached, &[])["job"].clone();
    until("all is known, and some of it is asked for", async || {
        let known = run(&cached.stack, &job).await["requests"] == 300;
        (known && cached.origin.under_way() == 3).then_some(())
    })
    .await;
    assert_eq!(
        counts(&run(&cached.stack, &job).await),
        ("underWay", [300, 0, 0, 0])
    );
    assert_eq!(metric(&cached.stack, "weir_warm_runs_under_way ").await, 1);
    cached.origin.release();
    let run = ended(&cached.stack, &job).await;
    assert_eq!(counts(&run), ("done", [300, 300, 0, 0]), "{run}");
    assert_eq!(cached.origin.most_at_once(), 3);
    assert_warm(&cached, cached.proxy(), &paths).await;
}

/// One request is under way, and as many wait as may; of the next run's one has room.
#[tokio::test(flavor = "multi_thread")]
async fn what_has_no_room_to_wait_fails_and_is_told() {
    const MOST: usize = 10_000;
    let mut spec = warming(json!({"urls": paths(MOST), "parallelism": 1, "retries": 0}));
    spec["callTimeout"] = json!("5m");
    let cached = Cached::start(1, 1, vec![policy(spec)]).await;
    let stack = &cached.stack;
    cached.origin.hold();
    let first = begin(&cached, &[])["job"].clone();
    until("all is known", async || {
        (run(stack, &first).await["requests"] == MOST).then_some(())
    })
    .await;
    until("the origin is asked", async || {
        (cached.origin.under_way() == 1).then_some(())
    })
    .await;
    let second = begin(&cached, &["/q/1", "/q/2", "/q/3", "/q/4", "/q/5"])["job"].clone();
    let run = until("it is known", async || {
        let run = run(stack, &second).await;
        (run["requests"] == 5).then_some(run)
    })
    .await;
    assert_eq!(counts(&run), ("underWay", [5, 0, 0, 4]), "{run}");
    assert_eq!(urls(stack, "failed").await, 4);
    assert_eq!(metric(stack, "weir_warm_runs_under_way ").await, 2);
}
