//! The document with a template's keys.

use std::time::Duration;

use http::Request;
use http_body_util::{BodyExt, Full, Limited};
use serde_json::Value;
use weir_core::refusal::Refusal;
use weir_policy::problem::Problem;

use crate::outbound::Outbound;

/// The largest document, bytes.
const MAX_BYTES: usize = 8 << 20;
/// How long it may take.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The document at `url`; else why there is none, for people.
pub(super) async fn fetch(url: &str, outbound: &Outbound) -> Result<Value, String> {
    tokio::time::timeout(TIMEOUT, get(url, outbound))
        .await
        .map_err(|_| format!("no answer within {} s", TIMEOUT.as_secs()))?
}

async fn get(url: &str, outbound: &Outbound) -> Result<Value, String> {
    let request = Request::get(url)
        .header(http::header::ACCEPT, "application/json")
        .body(Full::default())
        .map_err(|error| error.to_string())?;
    let answer = outbound.request(request).await;
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
