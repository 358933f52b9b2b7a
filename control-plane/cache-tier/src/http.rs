//! The protocol of [`weir_policy::cache_tier`] over HTTP, with `/metrics` and `/healthz` beside it.

mod body;
mod lookup;
mod objects;
mod problem;
mod read;

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use http::header;
use serde_json::json;

use crate::metrics::MEDIA_TYPE;
use crate::tier::Tier;
use problem::{INTERNAL, METHOD, NOT_FOUND, ProblemDetails};

type Shared = State<Arc<Tier>>;

pub(crate) fn router(tier: &Arc<Tier>) -> Router {
    Router::new()
        .route("/v1/lookup/{namespace}/{policy}/{key}", post(lookup::lookup))
        .route(
            "/v1/objects/{namespace}/{policy}/{key}",
            put(objects::put).delete(objects::delete),
        )
        .route("/v1/release/{namespace}/{policy}/{key}", post(objects::release))
        .route("/metrics", get(metrics))
        .route("/healthz", get(health))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .with_state(Arc::clone(tier))
}

async fn metrics(State(tier): Shared) -> Response {
    let text = tier
        .metrics
        .render(tier.store.is_up(), tier.store.open_breakers());
    match text {
        Ok(text) => ([(header::CONTENT_TYPE, MEDIA_TYPE)], text).into_response(),
        Err(error) => ProblemDetails::new(&INTERNAL, error.to_string()).into_response(),
    }
}

/// The tier does its work without Redis too: it says at once that there is none.
async fn health(State(tier): Shared) -> Response {
    let redis = if tier.store.is_up() { "up" } else { "down" };
    Json(json!({"status": "ok", "redis": redis})).into_response()
}

async fn no_such_path() -> ProblemDetails {
    let expected =
        "expected /v1/lookup, /v1/objects or /v1/release/{namespace}/{policy}/{key}, /metrics or /healthz";
    ProblemDetails::new(&NOT_FOUND, expected)
}

async fn no_such_method() -> ProblemDetails {
    let expected =
        "expected POST of lookup and release, PUT or DELETE of objects, GET of metrics and healthz";
    ProblemDetails::new(&METHOD, expected)
}
