//! WebSocket connections: routed and limited at their start, and left alone from then on.

use http::StatusCode;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::documents::document;
use crate::support::proxy::Proxy;
use crate::support::stack::Stack;

async fn open(proxy: &Proxy, user: &str) -> (StatusCode, Option<String>, Option<Upgraded>) {
    let (answer, connection) = proxy.http.upgrade("/chat", &[("x-user-id", user)]).await;
    let shard = answer.headers().get("x-shard");
    let shard = shard.map(|shard| shard.to_str().unwrap().to_owned());
    (answer.status(), shard, connection)
}

/// Whether what is sent comes back.
async fn echoes(connection: Upgraded, text: &[u8]) -> Upgraded {
    let mut connection = TokioIo::new(connection);
    connection.write_all(text).await.unwrap();
    let mut back = vec![0; text.len()];
    connection.read_exact(&mut back).await.unwrap();
    assert_eq!(back, text);
    connection.into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn websockets_go_to_the_shard_of_their_key() {
    let stack = Stack::sharded().await;
    let proxy = stack.proxy("edge-1", 1).await;
    for user in ["user-1", "user-2", "user-3", "user-4", "user-5"] {
        let (status, shard, connection) = open(&proxy, user).await;
        assert_eq!(status, StatusCode::SWITCHING_PROTOCOLS);
        assert_eq!(shard, Some(proxy.shard_of(user).await), "{user}");
        echoes(connection.unwrap(), b"\x81\x05hello\xff\x00").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn websockets_are_limited_at_their_start_only() {
    let stack = Stack::sharded().await;
    let limits = json!({"limits": [
        {"name": "client", "key": [{"header": "x-user-id"}], "quota": {"rate": {"requests": 2, "window": "1h", "burst": 2}}},
    ]});
    stack
        .apply(vec![document("RateLimitPolicy", "api", limits)])
        .await;
    let proxy = stack.proxy("edge-1", 2).await;
    let (status, _, first) = open(&proxy, "alice").await;
    assert_eq!(status, StatusCode::SWITCHING_PROTOCOLS);
    let (status, _, second) = open(&proxy, "alice").await;
    assert_eq!(status, StatusCode::SWITCHING_PROTOCOLS);

    let (status, _, refused) = open(&proxy, "alice").await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.is_none());
    for connection in [first, second] {
        let mut connection = connection.unwrap();
        for _ in 0..10 {
            connection = echoes(connection, &[7; 1_000]).await;
        }
    }
    assert_eq!(proxy.vm_reloads().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_websocket_is_a_request_under_way() {
    let stack = Stack::sharded().await;
    let limits = json!({"limits": [
        {"name": "open", "key": [{"header": "x-user-id"}], "quota": {"concurrency": {"requests": 1, "maxDuration": "1h"}}},
    ]});
    stack
        .apply(vec![document("RateLimitPolicy", "api", limits)])
        .await;
    let proxy = stack.proxy("edge-1", 2).await;
    let (status, _, connection) = open(&proxy, "alice").await;
    assert_eq!(status, StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!(open(&proxy, "alice").await.0, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(open(&proxy, "bob").await.0, StatusCode::SWITCHING_PROTOCOLS);

    drop(connection);
    crate::support::wait::until("the place is free again", async || {
        (open(&proxy, "alice").await.0 == StatusCode::SWITCHING_PROTOCOLS).then_some(())
    })
    .await;
}
