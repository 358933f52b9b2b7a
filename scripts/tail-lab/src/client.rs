//! One request, checked.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::time::timeout;

use crate::body;

/// Nobody waits longer for an answer.
const PATIENCE: Duration = Duration::from_secs(20);

/// Connections to the proxy, kept.
pub(crate) type Connections = Client<HttpConnector, Empty<Bytes>>;

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// 200 with its own body.
    Whole,
    /// Another status.
    Status,
    /// Not its own body, or not all of it.
    Broken,
    /// No answer.
    None,
}

/// As many connections as there are requests at a time.
pub(crate) fn connections() -> Connections {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    Client::builder(TokioExecutor::new())
        .retry_canceled_requests(false)
        .pool_max_idle_per_host(usize::MAX)
        .build(connector)
}

/// Sends the request with this number.
pub(crate) async fn ask(connections: &Connections, port: u16, number: usize) -> End {
    timeout(PATIENCE, exchange(connections, port, number))
        .await
        .unwrap_or(End::None)
}

async fn exchange(connections: &Connections, port: u16, number: usize) -> End {
    let uri = format!("http://127.0.0.1:{port}/orders/{number}");
    let Ok(request) = Request::get(uri).body(Empty::new()) else {
        return End::None;
    };
    let Ok(answer) = connections.request(request).await else {
        return End::None;
    };
    if answer.status() != StatusCode::OK {
        return End::Status;
    }
    let whole = answer.into_body().collect().await;
    if whole.is_ok_and(|whole| whole.to_bytes() == body::of(number)) {
        End::Whole
    } else {
        End::Broken
    }
}
