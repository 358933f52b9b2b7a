//! Modules: which there are, and their bytes.

use axum::Json;
use axum::extract::State;
use axum::response::IntoResponse;
use http::header;
use weir_core::module::ModuleCatalog;

use crate::app::App;
use crate::control::Control;
use crate::path::Part;
use crate::problem::{BAD_PATH, NOT_FOUND, ProblemDetails};
use crate::query::NoQuery;

pub(crate) async fn catalog<C: Control>(State(app): State<App<C>>, _: NoQuery) -> Json<ModuleCatalog> {
    Json(app.control.modules().clone())
}

/// The digest names the bytes, so that they never change and may be kept for ever (RFC 8246).
pub(crate) async fn module<C: Control>(
    State(app): State<App<C>>,
    Part(sha256): Part,
    _: NoQuery,
) -> Result<impl IntoResponse, ProblemDetails> {
    if !is_digest(&sha256) {
        return Err(ProblemDetails::new(
            &BAD_PATH,
            format!("{sha256:?} is not a SHA-256 digest: expected 64 digits of lower-case hex"),
        ));
    }
    let Some(bytes) = app.control.module(&sha256).await else {
        let detail = format!("no module has the digest {sha256}: GET /v1/modules lists those that are there");
        return Err(ProblemDetails::new(&NOT_FOUND, detail));
    };
    let headers = [
        (header::CONTENT_TYPE, "application/wasm".to_owned()),
        (
            header::CACHE_CONTROL,
            "public, max-age=31536000, immutable".to_owned(),
        ),
        (header::ETAG, format!("\"{sha256}\"")),
    ];
    Ok((headers, bytes))
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
