//! `POST /v1/lookup/{namespace}/{policy}/{key}`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use weir_policy::cache_tier::{
    LEASE_HEADER, LEASE_MS_HEADER, MAX_FIELDS, MAX_WAIT_MS, PURGED_HEADER, PURGED_SOFT, REVISION_HEADER,
    TTL_HEADER, VARY_HEADER, Vary, decode_fields, status,
};

use super::problem::{BAD_QUERY, MALFORMED, ProblemDetails, UNAVAILABLE};
use super::{Shared, body, read};
use crate::store::{Hit, Unavailable};
use crate::tier::{Outcome, Question, Tier};

pub(super) async fn lookup(State(tier): Shared, request: Request) -> Result<Response, ProblemDetails> {
    let began = Instant::now();
    let (question, wait) = question(&tier, request).await?;
    let outcome = tier.lookup(&Arc::new(question), wait).await;
    tier.metrics.looked_up(label(&outcome), began.elapsed());
    let lease_ms = tier.settings.lease.as_millis().to_string();
    Ok(match outcome? {
        Outcome::Hit(hit) => answer_hit(hit),
        Outcome::Lease { token, vary } => answer_lease(&token, &lease_ms, &vary),
        Outcome::Busy(_) => answer(status::BUSY, HeaderMap::new(), Bytes::new()),
        Outcome::Pass => answer(status::HIT_FOR_MISS, HeaderMap::new(), Bytes::new()),
    })
}

async fn question(tier: &Tier, request: Request) -> Result<(Question, Duration), ProblemDetails> {
    let (parts, body) = request.into_parts();
    let place = read::place(tier, &parts)?;
    let pairs = read::query(&parts, &["wait_ms", "refresh"])?;
    let expected = format!("0 to {MAX_WAIT_MS}");
    let wait_ms = read::parameter(&pairs, "wait_ms", &expected)?.unwrap_or(0);
    if wait_ms > MAX_WAIT_MS {
        return Err(ProblemDetails::of(
            &BAD_QUERY,
            "wait_ms",
            format!("{wait_ms}: expected {expected}"),
        ));
    }
    let refresh = read::parameter(&pairs, "refresh", "true or false")?.unwrap_or(false);
    let fields = body::read(body, MAX_FIELDS).await?;
    decode_fields(&fields).map_err(|error| ProblemDetails::of(&MALFORMED, "body", error))?;
    let question = Question {
        place,
        fields,
        refresh,
    };
    Ok((question, Duration::from_millis(wait_ms)))
}

const fn label(outcome: &Result<Outcome, Unavailable>) -> &'static str {
    match outcome {
        Ok(Outcome::Hit(hit)) if hit.soft_purged => "soft_purged",
        Ok(Outcome::Hit(_)) => "hit",
        Ok(Outcome::Lease { .. }) => "miss",
        Ok(Outcome::Busy(_)) => "busy",
        Ok(Outcome::Pass) => "hit_for_miss",
        Err(_) => "unavailable",
    }
}

fn answer_hit(hit: Hit) -> Response {
    let mut headers = HeaderMap::new();
    set(&mut headers, REVISION_HEADER, &hit.revision.to_string());
    set(&mut headers, TTL_HEADER, &hit.ttl_ms.to_string());
    set_vary(&mut headers, &hit.vary);
    if hit.soft_purged {
        set(&mut headers, PURGED_HEADER, PURGED_SOFT);
    }
    answer(status::HIT, headers, hit.body)
}

fn answer_lease(token: &str, lease_ms: &str, vary: &Vary) -> Response {
    let mut headers = HeaderMap::new();
    set(&mut headers, LEASE_HEADER, token);
    set(&mut headers, LEASE_MS_HEADER, lease_ms);
    set_vary(&mut headers, vary);
    answer(status::MISS, headers, Bytes::new())
}

/// Without a media type: only the filter that stored it knows what it is.
fn answer(status: u16, headers: HeaderMap, body: Bytes) -> Response {
    // The protocol's are all valid.
    let status = StatusCode::from_u16(status).unwrap_or_default();
    (status, headers, axum::body::Body::from(body)).into_response()
}

fn set_vary(headers: &mut HeaderMap, vary: &Vary) {
    if !vary.as_str().is_empty() {
        set(headers, VARY_HEADER, vary.as_str());
    }
}

fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    // Tokens, numbers and names of fields are ASCII.
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

impl From<Unavailable> for ProblemDetails {
    fn from(error: Unavailable) -> Self {
        Self::new(&UNAVAILABLE, error.to_string())
    }
}
