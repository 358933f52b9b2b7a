//! Purges: what was acknowledged reaches every proxy that asks, once, with what depends on it.

use http::StatusCode;
use serde_json::{Value, json};

use crate::support::documents::document;
use crate::support::stack::Stack;
use crate::support::wait::until;

const POLL: &str = "/v1/proxy/events?slot=weir/default/edge/edge-cache";

fn policy() -> Value {
    document("CachePolicy", "pages", json!({"ttl": {"default": "1h"}}))
}

async fn page(stack: &Stack, query: &str) -> Value {
    let answer = stack.api.get(&format!("{POLL}{query}"), &[]).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.json()
}

/// What `weir ARGUMENTS -o json` answers.
fn weir(stack: &Stack, arguments: &[&str]) -> Value {
    let done = stack.weir(&[arguments, &["-o", "json"]].concat());
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    serde_json::from_slice(&done.stdout).unwrap()
}

async fn polls(stack: &Stack) -> usize {
    let text = stack.api.get("/metrics", &[]).await.text();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("weir_proxy_polls "));
    line.unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledged_purge_survives_a_kill_and_so_does_what_goes_with_it() {
    let mut stack = Stack::empty().await;
    stack.apply(vec![policy()]).await;
    weir(
        &stack,
        &["cache", "deps", "set", "investigation:123", "entity:456"],
    );
    let cursor = page(&stack, "").await["cursor"].as_u64().unwrap();
    let first = weir(
        &stack,
        &["purge", "tag", "entity:456", "--policy", "pages", "--soft"],
    );
    assert_eq!(first, json!({"revision": cursor + 1, "count": 2, "proxies": 0}));
    stack.server.kill();
    stack.restart(&[]).await;

    let second = weir(&stack, &["purge", "tag", "entity:456"]);
    assert_eq!(second["count"], 2);
    let next = page(&stack, &format!("&cursor={cursor}&wait=25")).await;
    let what = json!({"tags": ["entity:456", "investigation:123"]});
    let events = json!([
        {"revision": cursor + 1, "cachePurge": {"policy": "default/pages", "soft": true, "what": what}},
        {"revision": cursor + 2, "cachePurge": {"what": what}},
    ]);
    assert_eq!(
        next,
        json!({"cursor": cursor + 2, "reset": false, "events": events})
    );
    let deps = weir(&stack, &["cache", "deps", "get", "entity:456"]);
    assert_eq!(deps["dependents"], json!(["investigation:123"]));
}

/// A client gives up before a poll would end by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_purge_wakes_every_poll_of_its_namespace() {
    const POLLS: usize = 100;
    let stack = Stack::empty().await;
    let cursor = page(&stack, "").await["cursor"].as_u64().unwrap();
    let waiting: Vec<_> = (0..POLLS)
        .map(|_| {
            let api = stack.api.clone();
            tokio::spawn(async move { api.get(&format!("{POLL}&cursor={cursor}&wait=25"), &[]).await })
        })
        .collect();
    until("all wait", async || (polls(&stack).await == POLLS).then_some(())).await;
    let revision = weir(&stack, &["purge", "all"])["revision"].clone();
    for poll in waiting {
        assert_eq!(poll.await.unwrap().json()["events"][0]["revision"], revision);
    }
    assert_eq!(polls(&stack).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_ends_when_every_proxy_knows() {
    let stack = Stack::sharded().await;
    stack.apply(vec![policy()]).await;
    let _proxies = (stack.proxy("one", 2).await, stack.proxy("two", 1).await);
    until("both proxies poll", async || {
        (polls(&stack).await >= 2).then_some(())
    })
    .await;
    let done = weir(&stack, &["purge", "all", "--wait"]);
    assert_eq!(done["proxies"], 2);
    let path = format!("/v1/cache/purge/{}", done["revision"]);
    let progress = stack.api.get(&path, &[]).await.json();
    assert_eq!(progress["proxies"], 2, "{progress}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_fetched_beforehand_is_the_first_clients_hit() {
    let stack = Stack::sharded().await;
    let strategy = json!({"name": "catalog", "schedule": "0 0 1 1 *", "host": "shop.example",
                          "urls": ["/p/1", "/p/2"], "headers": [{"name": "x-user-id", "value": "alice"}]});
    let spec = json!({"ttl": {"default": "1h"}, "warming": [strategy]});
    stack.apply(vec![document("CachePolicy", "pages", spec)]).await;
    let proxy = stack.proxy("one", 2).await;
    // A proxy that learns purges learns runs.
    weir(&stack, &["purge", "all", "--wait"]);
    let done = weir(&stack, &["cache", "warm", "pages", "catalog"]);
    assert_eq!((&done["urls"], &done["proxies"]), (&json!(2), &json!(1)));
    let run = until("the proxy has fetched both", async || {
        let status = stack.api.get("/v1/cache/warm", &[]).await.json();
        let run = status["runs"][0].clone();
        (run["fetched"] == 2).then_some(run)
    })
    .await;
    assert_eq!(run["job"], done["job"]);
    assert_eq!((&run["requests"], &run["failed"]), (&json!(2), &json!(0)));
    for path in ["/p/1", "/p/2"] {
        let headers = [("host", "shop.example"), ("x-user-id", "alice")];
        let answer = proxy.get(path, &headers).await;
        let status = String::from_utf8_lossy(answer.header("cache-status").unwrap()).into_owned();
        assert!(status.contains("; hit"), "{path}: {status}");
    }
}
