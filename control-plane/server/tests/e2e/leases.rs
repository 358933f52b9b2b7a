//! Shares of fleet-wide limits: handed out whole, never more than whole, also over a kill.

use std::sync::atomic::{AtomicU64, Ordering};

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::stack::Stack;
use crate::support::wait::until;

const LIMIT: &str = "default/api/all";
const WHOLE: u64 = 1_000_000;

/// Grows with every report.
static SEQUENCE: AtomicU64 = AtomicU64::new(1);

/// What a process gets that holds `held` and whose clients ask for nothing, and among how many.
async fn report(stack: &Stack, instance: &str, held: u64) -> (u64, u64) {
    let body = json!({
        "slot": "weir/default/edge/rate-limit",
        "instance": instance,
        "sequence": SEQUENCE.fetch_add(1, Ordering::Relaxed),
        "limits": [{"limit": LIMIT, "held": held, "keys": []}],
    });
    let answer = stack.api.json(Method::POST, "/v1/proxy/leases", &body).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let answer = answer.json();
    assert_eq!(answer["leaseMs"], 10_000);
    assert_eq!(answer["limits"][0]["limit"], LIMIT);
    (
        answer["limits"][0]["share"].as_u64().unwrap(),
        answer["proxies"].as_u64().unwrap(),
    )
}

/// Reports of two processes, until each has half.
async fn share_out(stack: &Stack, mut held: [u64; 2]) {
    until("both have half", async || {
        for (index, instance) in ["one", "two"].into_iter().enumerate() {
            let (share, _) = report(stack, instance, held[index]).await;
            held[index] = share;
            assert!(held.iter().sum::<u64>() <= WHOLE, "{held:?}");
        }
        (held == [WHOLE / 2; 2]).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_is_shared_out_whole_and_never_more_over_a_kill() {
    let mut stack = Stack::empty().await;
    assert_eq!(
        report(&stack, "one", 0).await.0,
        0,
        "nobody knows what others hold"
    );
    share_out(&stack, [0, 0]).await;
    stack.server.kill();
    stack.restart(&[]).await;
    let (share, proxies) = report(&stack, "one", WHOLE / 2).await;
    assert!(share <= WHOLE / 2 && proxies == 1, "{share} {proxies}");
    share_out(&stack, [share, WHOLE / 2]).await;

    let shown = stack.weir(&["quota", "status", "-o", "json"]);
    assert_eq!(shown.status.code(), Some(0), "{shown:?}");
    let shown: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["items"][0]["limit"], LIMIT);
    assert_eq!(shown["items"][0]["outstanding"], WHOLE);
    assert_eq!(shown["items"][0]["holders"].as_array().unwrap().len(), 2);
    let text = stack.api.get("/metrics", &[]).await.text();
    let line = format!("weir_leases{{limit=\"{LIMIT}\"}} 2");
    assert!(text.lines().any(|found| found == line), "{text}");
}
