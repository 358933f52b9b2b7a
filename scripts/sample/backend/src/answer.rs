//! What is answered: who answers, and what arrived.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serde_json::{Map, Value, json};

use crate::replica::Replica;

/// Answers one request, after its body has come in whole and `delay` has passed.
pub(crate) async fn answer(
    replica: Arc<Replica>,
    request: Request<Incoming>,
    delay: Duration,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    drain(body).await;
    if !delay.is_zero() && head.uri.path() != "/healthz" {
        tokio::time::sleep(delay).await;
    }
    let path = head
        .uri
        .path_and_query()
        .map_or("", http::uri::PathAndQuery::as_str);
    let report = json!({
        "shard": replica.shard(),
        "replica": replica.name(),
        "role": replica.role(),
        "method": head.method.as_str(),
        "path": path,
        "headers": seen(&head.headers),
    });
    let mut response = Response::new(Full::new(Bytes::from(report.to_string())));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("x-sample-shard", replica.shard.clone());
    headers.insert("x-sample-replica", replica.name.clone());
    Ok(response)
}

/// Reads the body to its end, or until the client gives up.
async fn drain(mut body: Incoming) {
    while let Some(Ok(_)) = body.frame().await {}
}

/// The request's `x-weir-*` headers and its `x-request-id`; several values of one name are joined by `, `.
fn seen(headers: &HeaderMap) -> Map<String, Value> {
    let telling = |name: &str| name.starts_with("x-weir-") || name == "x-request-id";
    headers
        .keys()
        .filter(|name| telling(name.as_str()))
        .map(|name| {
            let values: Vec<_> = headers
                .get_all(name)
                .iter()
                .map(|value| String::from_utf8_lossy(value.as_bytes()))
                .collect();
            (name.as_str().to_owned(), Value::String(values.join(", ")))
        })
        .collect()
}
