//! Quotas: clients that start anew.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use weir_core::quota::QuotaReset;

use crate::app::App;
use crate::body::JsonBody;
use crate::control::Control;
use crate::problem::{MALFORMED, ProblemDetails};
use crate::query::NoQuery;

/// Answers with the revision of the event, once it is durable.
pub(crate) async fn reset<C: Control>(
    State(app): State<App<C>>,
    _: NoQuery,
    JsonBody(reset): JsonBody<QuotaReset>,
) -> Result<Json<Value>, ProblemDetails> {
    reset
        .check()
        .map_err(|detail| ProblemDetails::new(&MALFORMED, detail))?;
    let control = Arc::clone(&app.control);
    let change = async move { control.reset_quota(reset).await };
    let revision = app.change(change, false).await?;
    Ok(Json(json!({ "revision": revision })))
}
