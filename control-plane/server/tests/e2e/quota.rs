//! Clients start anew: what was acknowledged reaches every proxy that asks, once.

use std::process::Command;

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::client::Client;
use crate::support::documents::{PROXY_PORT, document};
use crate::support::loopback::{address, at};
use crate::support::process::{Process, envoy};
use crate::support::stack::Stack;
use crate::support::wait::until;

const POLL: &str = "/v1/proxy/events?slot=weir/default/edge/rate-limit";

/// What is reset.
fn policy() -> Value {
    let limit = json!({"name": "per-user", "key": [{"header": "x-user-id"}],
                       "quota": {"rate": {"requests": 1, "window": "1h"}}});
    document("RateLimitPolicy", "api", json!({"limits": [limit]}))
}

async fn page(stack: &Stack, query: &str) -> Value {
    let answer = stack.api.get(&format!("{POLL}{query}"), &[]).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.json()
}

/// Resets one client, by the command line; the event's revision.
fn reset(stack: &Stack, key: &str) -> u64 {
    let arguments = [
        "quota", "reset", "api", "--limit", "per-user", "--key", key, "-o", "json",
    ];
    let done = stack.weir(&arguments);
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    let answer: Value = serde_json::from_slice(&done.stdout).unwrap();
    answer["revision"].as_u64().unwrap()
}

async fn polls(stack: &Stack) -> usize {
    let text = stack.api.get("/metrics", &[]).await.text();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("weir_proxy_polls "));
    line.unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledged_reset_survives_a_kill_and_comes_once() {
    let mut stack = Stack::empty().await;
    stack.apply(vec![policy()]).await;
    let first = page(&stack, "&wait=25").await;
    assert_eq!(first["events"], json!([]));
    let revision = reset(&stack, "alice");
    stack.server.kill();
    stack.restart(&[]).await;

    let cursor = &first["cursor"];
    let next = page(&stack, &format!("&cursor={cursor}&wait=25")).await;
    let event = json!({"revision": revision,
                       "quotaReset": {"policy": "default/api", "limit": "per-user", "key": ["alice"]}});
    assert_eq!(
        next,
        json!({"cursor": revision, "reset": false, "events": [event]})
    );
    let last = page(&stack, &format!("&cursor={revision}")).await;
    assert_eq!(last, json!({"cursor": revision, "reset": false, "events": []}));
    let ahead = page(&stack, &format!("&cursor={}&wait=25", revision + 1)).await;
    assert_eq!(ahead, json!({"cursor": revision, "reset": true, "events": []}));
}

/// A client gives up before a poll would end by itself.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_wakes_every_poll_of_its_namespace() {
    const POLLS: usize = 100;
    let stack = Stack::empty().await;
    stack.apply(vec![policy()]).await;
    let cursor = page(&stack, "").await["cursor"].as_u64().unwrap();
    let waiting: Vec<_> = (0..POLLS)
        .map(|_| {
            let api = stack.api.clone();
            tokio::spawn(async move { api.get(&format!("{POLL}&cursor={cursor}&wait=25"), &[]).await })
        })
        .collect();
    until("all wait", async || (polls(&stack).await == POLLS).then_some(())).await;
    let revision = reset(&stack, "alice");
    for poll in waiting {
        assert_eq!(poll.await.unwrap().json()["events"][0]["revision"], revision);
    }
    assert_eq!(polls(&stack).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn polls_end_with_the_control_plane() {
    let mut stack = Stack::empty().await;
    let api = stack.api.clone();
    let poll = tokio::spawn(async move { api.get(&format!("{POLL}&cursor=0&wait=25"), &[]).await });
    until("it waits", async || (polls(&stack).await == 1).then_some(())).await;
    let status = stack.server.terminate();
    assert!(status.success(), "{status}");
    assert_eq!(
        poll.await.unwrap().json(),
        json!({"cursor": 0, "reset": false, "events": []})
    );
    let log = stack.server.log();
    assert!(!log.contains("cut off"), "{log}");
}

/// Proxies are sent nothing, and count as up to date.
#[tokio::test(flavor = "multi_thread")]
async fn a_reset_is_no_configuration() {
    let stack = Stack::sharded().await;
    stack.apply(vec![policy()]).await;
    let proxy = stack.proxy("one", 1).await;
    let waited = stack.weir(&["status", "--wait", "--proxies", "1"]);
    assert_eq!(waited.status.code(), Some(0), "{waited:?}");
    let before = stack.proxy_status(&proxy.id).await.unwrap();
    let revision = reset(&stack, "alice");
    let after = until("the proxy has all of this revision", async || {
        let status = stack.proxy_status(&proxy.id).await?;
        (status["revision"] == revision).then_some(status)
    })
    .await;
    assert_eq!(after["types"], before["types"]);
}

/// A bootstrap whose one listener leads where filters ask.
fn way_back(stack: &Stack) -> Value {
    let admin = at(address(), 9_901).to_string();
    let (gateway, xds) = ("default/edge", stack.xds());
    let arguments = [
        "proxy",
        "bootstrap",
        "--gateway",
        gateway,
        "-o",
        "json",
        "--admin",
        &admin,
        "--xds",
        &xds,
    ];
    let printed = stack.weir(&arguments);
    let mut bootstrap: Value = serde_json::from_slice(&printed.stdout).unwrap();
    let extension = "type.googleapis.com/envoy.extensions.filters";
    bootstrap["static_resources"]["listeners"] = json!([{
        "name": "back",
        "address": {"socket_address": {"address": stack.ip, "port_value": PROXY_PORT}},
        "filter_chains": [{"filters": [{"name": "http", "typed_config": {
            "@type": format!("{extension}.network.http_connection_manager.v3.HttpConnectionManager"),
            "stat_prefix": "back",
            "http_filters": [{"name": "router", "typed_config":
                {"@type": format!("{extension}.http.router.v3.Router")}}],
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [
                {"match": {"prefix": "/"}, "route": {"cluster": "weir-control", "timeout": "30s"}},
            ]}]},
        }}]}],
    }]);
    bootstrap
}

#[tokio::test(flavor = "multi_thread")]
async fn envoy_leads_filters_to_the_rest_api() {
    let stack = Stack::empty().await;
    stack.apply(vec![policy()]).await;
    let file = stack.path("bootstrap.json");
    std::fs::write(&file, way_back(&stack).to_string()).unwrap();
    let mut command = Command::new(envoy());
    command
        .args(["--disable-hot-restart", "--concurrency", "1", "-c"])
        .arg(&file);
    let _envoy = Process::start(command, &stack.path("envoy.log"));
    let back = Client::new(at(stack.ip, PROXY_PORT));
    let first = until("Envoy answers", async || {
        let answer = back.send(Method::GET, POLL, &[], "").await.ok()?;
        answer.status.is_success().then(|| answer.json())
    })
    .await;
    let cursor = first["cursor"].as_u64().unwrap();
    let query = format!("{POLL}&cursor={cursor}&wait=25");
    let poll = tokio::spawn(async move { back.get(&query, &[]).await });
    until("it waits", async || (polls(&stack).await == 1).then_some(())).await;
    let revision = reset(&stack, "alice");
    assert_eq!(poll.await.unwrap().json()["events"][0]["revision"], revision);
}
