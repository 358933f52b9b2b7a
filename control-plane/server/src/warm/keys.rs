//! The document with a template's keys.

use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use weir_core::refusal::Refusal;
use weir_policy::problem::Problem;

/// The largest document, bytes.
const MAX_BYTES: usize = 8 << 20;
/// How long it may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The document at `url`; else why there is none, for people.
pub(super) async fn fetch(url: &str) -> Result<Value, String> {
    tokio::time::timeout(TIMEOUT, get(url))
        .await
        .map_err(|_| format!("no answer within {} s", TIMEOUT.as_secs()))?
}

async fn get(url: &str) -> Result<Value, String> {
    let client: Client<HttpConnector, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let request = Request::get(url)
        .header(http::header::ACCEPT, "application/json")
        .body(Empty::new())
        .map_err(|error| error.to_string())?;
    let answer = client.request(request).await;
    let answer = answer.map_err(|error| format!("{:#}", anyhow::Error::new(error)))?;
    if !answer.status().is_success() {
        return Err(format!("answered {}", answer.status()));
    }
    let body = Limited::new(answer.into_body(), MAX_BYTES).collect().await;
    let body = body.map_err(|error| error.to_string())?.to_bytes();
    serde_json::from_slice(&body).map_err(|error| format!("not JSON: {error}"))
}

/// A run without keys.
pub(super) fn refused(url: &str, detail: &str) -> Refusal {
    Refusal::Unfit(vec![Problem::new(
        "no_keys",
        "/strategy",
        format!("keys of {url}: {detail}"),
    )])
}
