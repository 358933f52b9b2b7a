//! A HedgePolicy's life on a real Envoy.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::client::Answer;
use crate::support::documents::document;
use crate::support::hedges::Hedges;
use crate::support::stack::Stack;
use crate::support::traffic::Traffic;
use crate::support::wait::until;

/// Hedges every read, after 20 ms.
fn policy(mode: &str) -> Value {
    let spec = json!({
        "targetRefs": [{"group": "weir.dev", "kind": "Gateway", "name": "edge"}],
        "mode": mode, "minDelay": "20ms", "maxDelay": "20ms", "coldStart": "20ms",
        "idempotent": {"headers": ["idempotency-key"]},
        "budget": {"percent": 100, "minPerSecond": 100},
    });
    document("HedgePolicy", "reads", spec)
}

async fn hedging() -> Stack {
    let stack = Stack::sharded().await;
    stack.apply(vec![policy("enforce")]).await;
    stack
}

fn replica(answer: &Answer) -> String {
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    answer.json()["replica"].as_str().unwrap().to_owned()
}

/// Slow reads of many keys, until Envoy has sent so many more second tries.
async fn hedge(hedges: &Hedges<'_>, count: u64) {
    let (before, mut number) = (hedges.sent_by_envoy().await, 0);
    until("slow reads are sent twice", async || {
        number += 1;
        replica(&hedges.slow_read(&format!("user-{number}")).await);
        (hedges.sent_by_envoy().await >= before + count).then_some(())
    })
    .await;
}

async fn a_slow_read_is_answered_by_the_other_replica(workers: u32) {
    let stack = hedging().await;
    let proxy = stack.proxy("one", workers).await;
    let hedges = Hedges::of(&proxy);
    // Until there are tokens.
    hedge(&hedges, 3).await;
    hedge(&hedges, 20).await;
    hedges.count_what_envoy_sends().await;
    for stat in ["vm_reload", "ejections_enforced_total"] {
        assert_eq!(proxy.stats(stat).await.values().sum::<u64>(), 0, "{stat}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_read_is_answered_by_the_other_replica_with_one_worker() {
    a_slow_read_is_answered_by_the_other_replica(1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_read_is_answered_by_the_other_replica_with_four_workers() {
    a_slow_read_is_answered_by_the_other_replica(4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_answered_late_while_there_are_tokens() {
    let stack = hedging().await;
    let proxy = stack.proxy("one", 1).await;
    let hedges = Hedges::of(&proxy);
    hedge(&hedges, 3).await;
    for number in 0..20 {
        let answer = hedges.slow_read(&format!("user-{number}")).await;
        assert_eq!(replica(&answer), "replica-2", "{number}");
    }
}

/// The cluster of a shard's primary is no policy's.
#[tokio::test(flavor = "multi_thread")]
async fn writes_are_never_sent_twice() {
    let stack = hedging().await;
    let proxy = stack.proxy("one", 1).await;
    let hedges = Hedges::of(&proxy);
    hedge(&hedges, 3).await;
    hedges.count_what_envoy_sends().await;
    let before = hedges.sent_by_envoy().await;
    let key = [("idempotency-key", "k-1"), ("x-delay-at", "primary")];
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        for more in [&key[1..], &key[..]] {
            let answer = hedges.slow(method.clone(), "user-1", more).await;
            assert_eq!(replica(&answer), "primary", "{method}");
        }
    }
    assert_eq!(hedges.sent_by_envoy().await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_cannot_ask_for_tries() {
    let stack = Stack::sharded().await;
    stack.apply(vec![policy("shadow")]).await;
    let proxy = stack.proxy("one", 1).await;
    let hedges = Hedges::of(&proxy);
    let asking = [
        ("x-envoy-hedge-on-per-try-timeout", "true"),
        ("x-envoy-upstream-rq-per-try-timeout-ms", "20"),
        ("x-envoy-retry-on", "5xx,reset,retriable-status-codes"),
        ("x-envoy-max-retries", "3"),
    ];
    for number in 0..10 {
        replica(&hedges.slow(Method::GET, &format!("user-{number}"), &asking).await);
    }
    assert_eq!(hedges.sent_by_envoy().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn modes_come_into_force_and_nobody_fails() {
    let stack = hedging().await;
    let proxy = stack.proxy("one", 2).await;
    let hedges = Hedges::of(&proxy);
    let traffic = Traffic::start(&proxy.http);
    hedge(&hedges, 5).await;
    for mode in ["off", "shadow"] {
        stack.apply(vec![policy(mode)]).await;
        until("no second try leaves", async || {
            let before = hedges.sent_by_envoy().await;
            for number in 0..10 {
                replica(&hedges.slow_read(&format!("user-{number}")).await);
            }
            (hedges.sent_by_envoy().await == before).then_some(())
        })
        .await;
        stack.apply(vec![policy("enforce")]).await;
        hedge(&hedges, 5).await;
    }
    traffic.stop().await;
    assert_eq!(proxy.vm_reloads().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shadow_counts_what_would_be() {
    let stack = Stack::sharded().await;
    stack.apply(vec![policy("shadow")]).await;
    let proxy = stack.proxy("one", 1).await;
    let hedges = Hedges::of(&proxy);
    until("it would have sent some twice", async || {
        replica(&hedges.slow_read("user-1").await);
        (hedges.counted("hedges", "outcome.sent").await >= 3).then_some(())
    })
    .await;
    assert_eq!(hedges.sent_by_envoy().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_leave_while_both_tries_are_under_way_do_no_harm() {
    let stack = hedging().await;
    let proxy = stack.proxy("one", 1).await;
    let hedges = Hedges::of(&proxy);
    hedge(&hedges, 3).await;
    for number in 0..5 {
        let before = hedges.sent_by_envoy().await;
        let second = until("a second try has left", async || {
            (hedges.sent_by_envoy().await > before).then_some(())
        });
        let key = format!("user-{number}");
        tokio::select! {
            answer = hedges.late_read(&key) => panic!("{answer:?}"),
            () = second => {}
        }
    }
    hedge(&hedges, 3).await;
    hedges.count_what_envoy_sends().await;
    assert_eq!(proxy.vm_reloads().await, 0);
}
