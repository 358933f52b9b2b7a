//! One line and two metrics for every answer.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::Method;

use crate::metrics::Metrics;

/// Where proxies ask, not people.
const FOR_PROXIES: &str = "/v1/proxy/";

/// Notes method, path, status and duration of a request.
pub(crate) async fn trace(State(metrics): State<Arc<Metrics>>, request: Request, next: Next) -> Response {
    let started = Instant::now();
    let method = label(request.method());
    let path = request.uri().path().to_owned();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let took = started.elapsed();
    let status = response.status().as_u16();
    let route = route.as_ref().map_or("unmatched", MatchedPath::as_str);
    metrics.answered(method, route, status, took);
    let ms = took.as_secs_f64() * 1e3;
    // Every proxy asks several times a second.
    if route.starts_with(FOR_PROXIES) && response.status().is_success() {
        tracing::debug!(method, path, status, ms, "request");
    } else {
        tracing::info!(method, path, status, ms, "request");
    }
    response
}

/// A client may make up methods; metrics must not grow with them.
fn label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::PUT => "PUT",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}
