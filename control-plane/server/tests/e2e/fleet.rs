//! One quota for three real proxies.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use http::StatusCode;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

use crate::support::client::Client;
use crate::support::documents::{PROXY_PORT, document, gateway_named, shard_map};
use crate::support::loopback::{address, at};
use crate::support::proxy::Proxy;
use crate::support::stack::Stack;
use crate::support::wait::until;

/// Of the fleet, in a second.
const RATE: u64 = 300;
const BURST: u64 = 30;
/// What each proxy is asked for in a second: twice the quota in all.
const DEMAND: [u64; 3] = [360, 180, 60];

/// Only for `/limited`, so that nothing else uses it up.
fn policy() -> Value {
    let limit = json!({
        "name": "all", "fleet": {"proxies": 3},
        "quota": {"rate": {"requests": RATE, "window": "1s", "burst": BURST}}
    });
    let only = json!([{"path": {"type": "Exact", "value": "/limited"}}]);
    document(
        "RateLimitPolicy",
        "fleet",
        json!({"match": only, "limits": [limit]}),
    )
}

/// Three proxies, each of a Gateway of its own: their listeners need different addresses here.
async fn fleet() -> (Stack, Vec<Proxy>) {
    let stack = Stack::empty().await;
    let gateways: Vec<(String, IpAddr)> = (1..=3)
        .map(|number| (format!("edge-{number}"), address()))
        .collect();
    let mut documents = stack.backends();
    documents.extend(gateways.iter().map(|(name, ip)| gateway_named(name, *ip)));
    let mut map = shard_map(&["a", "b", "c"]);
    map["spec"]["targetRefs"] = json!([]);
    documents.extend([map, policy()]);
    stack.apply(documents).await;
    let mut proxies = Vec::new();
    for (name, ip) in &gateways {
        let mut proxy = Proxy::launch(&stack, name, &format!("default/{name}"), 2);
        proxy.http = Client::new(at(*ip, PROXY_PORT));
        proxy.serving().await;
        proxies.push(proxy);
    }
    (stack, proxies)
}

#[derive(Default)]
struct Count {
    sent: AtomicU64,
    passed: AtomicU64,
}

/// What was sent and what passed.
fn read(count: &Count) -> [u64; 2] {
    [&count.sent, &count.passed].map(|count| count.load(Ordering::Relaxed))
}

/// Asks for `per_second` requests in each second until `end`, whatever becomes of them.
fn load(http: Client, per_second: u64, end: Instant) -> (Arc<Count>, JoinHandle<()>) {
    let count = Arc::new(Count::default());
    let counted = Arc::clone(&count);
    let task = tokio::spawn(async move {
        let mut ticks = tokio::time::interval(Duration::from_micros(1_000_000 / per_second));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
        while Instant::now() < end {
            ticks.tick().await;
            let (http, count) = (http.clone(), Arc::clone(&counted));
            tokio::spawn(async move {
                let answer = http.get("/limited", &[("x-user-id", "alice")]).await;
                count.sent.fetch_add(1, Ordering::Relaxed);
                match answer.status {
                    StatusCode::OK => count.passed.fetch_add(1, Ordering::Relaxed),
                    StatusCode::TOO_MANY_REQUESTS => 0,
                    other => panic!("{other}: {}", answer.text()),
                };
            });
        }
    });
    (count, task)
}

async fn leases(stack: &Stack) -> Value {
    stack.api.get("/v1/leases", &[]).await.json()
}

/// The largest share that a proxy has of any key, parts per million.
async fn largest_share(stack: &Stack, proxy: &str) -> u64 {
    let leases = leases(stack).await;
    let holders = leases["items"].as_array().unwrap().iter();
    let all = holders.flat_map(|item| item["holders"].as_array().unwrap().iter());
    let own = all.filter(|holder| {
        holder["instance"]
            .as_str()
            .unwrap()
            .starts_with(&format!("{proxy}@"))
    });
    own.map(|holder| holder["share"].as_u64().unwrap())
        .max()
        .unwrap_or_default()
}

/// A control plane that has just started moves no shares for the time of a lease, since it doesn't know what others hold.
/// When only one proxy is asked for anything, it ends up with nearly everything.
async fn shares_move(stack: &Stack, proxies: &[Proxy]) {
    until("the first proxy has nearly everything", async || {
        proxies[0].get("/limited", &[("x-user-id", "alice")]).await;
        (largest_share(stack, "edge-1").await > 900_000).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_skewed_load_gets_the_quota_in_proportion() {
    let (stack, proxies) = fleet().await;
    shares_move(&stack, &proxies).await;
    let began = Instant::now();
    let end = began + Duration::from_secs(8);
    let (counts, tasks): (Vec<_>, Vec<_>) = proxies
        .iter()
        .zip(DEMAND)
        .map(|(proxy, demand)| load(proxy.http.clone(), demand, end))
        .unzip();
    tokio::time::sleep_until((began + Duration::from_secs(2)).into()).await;
    let before: Vec<[u64; 2]> = counts.iter().map(|count| read(count)).collect();
    for task in tasks {
        task.await.unwrap();
    }
    let after: Vec<[u64; 2]> = counts.iter().map(|count| read(count)).collect();

    let passed: u64 = after.iter().map(|[_, passed]| passed).sum();
    let bound = RATE as f64 * began.elapsed().as_secs_f64() + BURST as f64;
    assert!(passed as f64 <= bound, "{passed} passed, at most {bound} may");
    let rates: Vec<f64> = before
        .iter()
        .zip(&after)
        .map(|(before, after)| (after[1] - before[1]) as f64 / (after[0] - before[0]) as f64)
        .collect();
    let mean = rates.iter().sum::<f64>() / 3.0;
    for rate in &rates {
        assert!(
            (rate / mean - 1.0).abs() <= 0.05,
            "{rates:?} {before:?} {after:?} {}",
            leases(&stack).await
        );
    }
    assert!(mean > 0.45, "the quota is not used: {rates:?}");
}
