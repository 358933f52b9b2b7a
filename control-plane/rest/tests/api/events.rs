//! Long polls: who is answered, when, with what. The clock stands still, so that time passes only when nothing else can
//! happen any more.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use weir_core::notice::{MAX_NOTICES, MAX_PAGE};

use crate::world::{Answer, World, backend, rate_limit_policy};

const POLL: &str = "/v1/proxy/events?slot=weir/default/edge/rate-limit";

/// The revision of [`limited`]; what happens comes after it.
const BASE: u64 = 2;

/// A world in which quotas of two namespaces can be reset.
async fn limited() -> Arc<World> {
    let world = World::new();
    for namespace in ["default", "shop"] {
        world.put_new(&rate_limit_policy(namespace)).await;
    }
    assert_eq!(world.plane.state().revision(), BASE);
    Arc::new(world)
}

fn page(after: u64, reset: bool, events: Value) -> Value {
    json!({"cursor": BASE + after, "reset": reset, "events": events})
}

fn poll(after: u64, more: &str) -> String {
    format!("{POLL}&cursor={}{more}", BASE + after)
}

async fn reset(world: &World, namespace: &str) -> u64 {
    let body = json!({"namespace": namespace, "policy": "api"});
    let answer = world.apply("/v1/quota/reset", &body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    answer.json()["revision"].as_u64().unwrap()
}

async fn polls(world: &World) -> u64 {
    let text = world.get("/metrics").await.text();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("weir_proxy_polls "))
        .unwrap();
    line.parse().unwrap()
}

/// Asks in a task of its own, and goes on once as many polls are open.
async fn wait(world: &Arc<World>, open: u64) -> JoinHandle<Answer> {
    let asking = Arc::clone(world);
    let task = tokio::spawn(async move { asking.get(&poll(0, "&wait=25")).await });
    while polls(world).await < open {
        tokio::task::yield_now().await;
    }
    task
}

#[tokio::test(start_paused = true)]
async fn the_first_poll_is_told_where_to_begin() {
    let world = limited().await;
    let started = Instant::now();
    let first = world.get(&format!("{POLL}&wait=25")).await.json();
    assert_eq!(first, page(0, false, json!([])));
    reset(&world, "default").await;
    let later = world.get(&format!("{POLL}&wait=25")).await.json();
    assert_eq!(later, page(1, false, json!([])));
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn an_event_wakes_whoever_waits_for_it() {
    let world = limited().await;
    let started = Instant::now();
    let one = wait(&world, 1).await;
    let other = wait(&world, 2).await;
    let body = json!({"policy": "api", "limit": "per-user", "key": ["alice", ""]});
    let answer = world.apply("/v1/quota/reset", &body).await;
    assert_eq!(answer.json(), json!({"revision": BASE + 1}));
    let expected = page(
        1,
        false,
        json!([{"revision": BASE + 1, "quotaReset": {"policy": "default/api", "limit": "per-user", "key": ["alice", ""]}}]),
    );
    for poll in [one, other] {
        assert_eq!(poll.await.unwrap().json(), expected);
    }
    assert_eq!(started.elapsed(), Duration::ZERO);
    assert_eq!(polls(&world).await, 0);
    assert_eq!(world.get(&poll(0, "")).await.json(), expected);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_for_the_namespace_wakes_nobody_but_moves_the_cursor() {
    let world = limited().await;
    let started = Instant::now();
    let poll = wait(&world, 1).await;
    reset(&world, "shop").await;
    world.put_new(&backend("a")).await;
    assert_eq!(poll.await.unwrap().json(), page(2, false, json!([])));
    assert_eq!(started.elapsed().as_secs(), 25);
}

#[tokio::test(start_paused = true)]
async fn a_poll_waits_as_long_as_it_says() {
    let world = limited().await;
    for (wait, seconds) in [("", 0), ("&wait=0", 0), ("&wait=1", 1), ("&wait=25", 25)] {
        let started = Instant::now();
        let answer = world.get(&poll(0, wait)).await;
        assert_eq!(answer.json(), page(0, false, json!([])));
        assert_eq!(started.elapsed().as_secs(), seconds, "{wait}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cursor_that_is_ahead_or_too_old_is_reset() {
    let world = limited().await;
    let ahead = world.get(&poll(1, "&wait=25")).await;
    assert_eq!(ahead.json(), page(0, true, json!([])));
    for _ in 0..=MAX_NOTICES {
        reset(&world, "shop").await;
    }
    let now = MAX_NOTICES as u64 + 1;
    let old = world.get(&poll(0, "&wait=25")).await;
    assert_eq!(old.json(), page(now, true, json!([])));
    let known = world.get(&poll(1, "")).await;
    assert_eq!(known.json(), page(now, false, json!([])));
}

/// More happens to other namespaces than is kept, while a proxy waits.
#[tokio::test(start_paused = true)]
async fn who_waits_does_not_fall_behind() {
    let world = limited().await;
    let poll = wait(&world, 1).await;
    for _ in 0..=MAX_NOTICES {
        reset(&world, "shop").await;
        tokio::task::yield_now().await;
    }
    let revision = reset(&world, "default").await;
    let answer = poll.await.unwrap().json();
    assert_eq!(
        (&answer["reset"], &answer["cursor"]),
        (&json!(false), &json!(revision))
    );
    assert_eq!(answer["events"][0]["revision"], revision);
}

#[tokio::test]
async fn pages_are_bounded() {
    let world = limited().await;
    for _ in 0..MAX_PAGE + 2 {
        reset(&world, "default").await;
    }
    let first = world.get(&poll(0, "")).await.json();
    assert_eq!(first["events"].as_array().unwrap().len(), MAX_PAGE);
    assert_eq!(first["cursor"], BASE + MAX_PAGE as u64);
    let second = world.get(&poll(MAX_PAGE as u64, "")).await.json();
    let revisions: Vec<_> = second["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| event["revision"].as_u64().unwrap())
        .collect();
    assert_eq!(revisions, [1, 2].map(|more| BASE + MAX_PAGE as u64 + more));
    assert_eq!(second["cursor"], BASE + MAX_PAGE as u64 + 2);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_control_plane_ends_every_wait() {
    let world = limited().await;
    let started = Instant::now();
    let one = wait(&world, 1).await;
    let other = wait(&world, 2).await;
    world.plane.stop.send_replace(true);
    for poll in [one, other] {
        assert_eq!(poll.await.unwrap().json(), page(0, false, json!([])));
    }
    let late = world.get(&poll(0, "&wait=25")).await;
    assert_eq!(late.json(), page(0, false, json!([])));
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn a_poll_whose_client_has_gone_is_over() {
    let world = limited().await;
    let poll = wait(&world, 1).await;
    poll.abort();
    assert!(poll.await.unwrap_err().is_cancelled());
    assert_eq!(polls(&world).await, 0);
}

#[tokio::test]
async fn polls_that_are_not_understood_are_400() {
    let world = World::new();
    for (query, words) in [
        ("", "no slot"),
        ("?cursor=0", "no slot"),
        ("?slot=", "slot=\"\""),
        ("?slot=weir/default/edge", "slot="),
        ("?slot=weir/default/edge/Rate", "slot="),
        ("?slot=weir/default/edge/a/b", "slot="),
        ("?slot=a/default/edge/rate-limit", "slot="),
        (
            "?slot=weir/default/edge/a&slot=weir/default/edge/b",
            "slot stands twice",
        ),
        ("?slot=weir/default/edge/a&cursor=", "cursor=\"\""),
        ("?slot=weir/default/edge/a&cursor=-1", "cursor=\"-1\""),
        ("?slot=weir/default/edge/a&cursor=18446744073709551616", "cursor="),
        (
            "?slot=weir/default/edge/a&cursor=1&cursor=2",
            "cursor stands twice",
        ),
        (
            "?slot=weir/default/edge/a&wait=26",
            "wait=\"26\": expected 0 to 25",
        ),
        ("?slot=weir/default/edge/a&wait=1.5", "wait="),
        ("?slot=weir/default/edge/a&wait=-1", "wait="),
        ("?slot=weir/default/edge/a&wait=1s", "wait="),
        ("?slot=weir/default/edge/a&wait=1&wait=1", "wait stands twice"),
        (
            "?slot=weir/default/edge/a&Wait=1",
            "\"Wait\": expected slot, cursor, wait",
        ),
    ] {
        let answer = world.get(&format!("/v1/proxy/events{query}")).await;
        let problem = answer.problem(400, "bad-query");
        assert!(problem["detail"].as_str().unwrap().contains(words), "{problem}");
    }
}

#[tokio::test]
async fn what_cannot_be_reset_is_named() {
    let world = limited().await;
    for (body, status, slug) in [
        (json!({"policy": "other"}), 404, "not-found"),
        (
            json!({"policy": "api", "namespace": "elsewhere"}),
            404,
            "not-found",
        ),
        (
            json!({"policy": "api", "limit": "other"}),
            422,
            "invalid-documents",
        ),
        (json!({"policy": "api", "key": ["one"]}), 422, "invalid-documents"),
    ] {
        world.apply("/v1/quota/reset", &body).await.problem(status, slug);
    }
    assert_eq!(world.plane.state().revision(), BASE);
}

#[tokio::test]
async fn resets_that_are_not_understood_are_400() {
    let world = World::new();
    for (body, words) in [
        (json!({}), "missing field `policy`"),
        (json!({"policy": "Api"}), "policy: invalid name"),
        (
            json!({"policy": "a", "namespace": "a/b"}),
            "namespace: invalid name",
        ),
        (json!({"policy": "a", "limit": ""}), "limit: invalid name"),
        (json!({"policy": "a", "key": "alice"}), "key: invalid type"),
        (json!({"policy": "a", "key": [1]}), "key[0]: invalid type"),
        (json!({"policy": "a", "key": vec![""; 33]}), "key: 33 values"),
        (
            json!({"policy": "a", "key": ["x".repeat(5000)]}),
            "key: 5000 bytes",
        ),
        (json!({"policy": "a", "keys": []}), "unknown field `keys`"),
    ] {
        let answer = world.apply("/v1/quota/reset", &body).await;
        let problem = answer.problem(400, "malformed-body");
        assert!(problem["detail"].as_str().unwrap().contains(words), "{problem}");
    }
    world
        .apply("/v1/quota/reset?dryRun=true", &json!({"policy": "a"}))
        .await
        .problem(400, "bad-query");
    assert_eq!(world.plane.state().revision(), 0);
}
