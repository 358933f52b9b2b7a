//! Documents: one, lists, and many at once.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use weir_core::event::Revision;
use weir_core::refusal::{Applied, DocumentProblem, Outcome, Refusal};
use weir_policy::document::{Document, Identity};
use weir_policy::problem::Problem;

use crate::app::App;
use crate::body::JsonBody;
use crate::control::Control;
use crate::path::{ItemPath, ListPath};
use crate::precondition::{Precondition, etag};
use crate::problem::ProblemDetails;
use crate::query::{DryRun, NoQuery};

/// `{"revision": 17, "items": […]}`
#[derive(Serialize)]
pub(crate) struct Documents {
    revision: Revision,
    items: Vec<Value>,
}

impl From<(Revision, Vec<Value>)> for Documents {
    fn from((revision, items): (Revision, Vec<Value>)) -> Self {
        Self { revision, items }
    }
}

/// `{"documents": […]}`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ApplyRequest {
    documents: Vec<Value>,
}

pub(crate) async fn apply<C: Control>(
    State(app): State<App<C>>,
    DryRun(dry_run): DryRun,
    JsonBody(request): JsonBody<ApplyRequest>,
) -> Result<Json<Applied>, ProblemDetails> {
    let control = Arc::clone(&app.control);
    let change = async move { control.apply(request.documents, dry_run).await };
    app.change(change, false).await.map(Json)
}

pub(crate) async fn list<C: Control>(
    State(app): State<App<C>>,
    path: ListPath,
    _: NoQuery,
) -> Json<Documents> {
    Json(app.control.list(path.namespace.as_ref(), Some(path.kind)).into())
}

pub(crate) async fn list_all<C: Control>(State(app): State<App<C>>, _: NoQuery) -> Json<Documents> {
    Json(app.control.list(None, None).into())
}

pub(crate) async fn get<C: Control>(
    State(app): State<App<C>>,
    ItemPath(identity): ItemPath,
    _: NoQuery,
) -> Result<Response, ProblemDetails> {
    match app.control.get(&identity) {
        Some(document) => Ok(answer(StatusCode::OK, document)),
        None => Err(ProblemDetails::from_refusal(Refusal::NotFound(identity), false)),
    }
}

pub(crate) async fn put<C: Control>(
    State(app): State<App<C>>,
    ItemPath(identity): ItemPath,
    DryRun(dry_run): DryRun,
    precondition: Precondition,
    JsonBody(mut document): JsonBody<Value>,
) -> Result<Response, ProblemDetails> {
    address(&mut document, &identity).map_err(|refusal| {
        app.metrics.refused(refusal.reason());
        ProblemDetails::from_refusal(refusal, false)
    })?;
    let sent = document.clone();
    precondition.write_to(&mut document)?;
    let control = Arc::clone(&app.control);
    let change = async move { control.apply(vec![document], dry_run).await };
    let applied = app.change(change, precondition.is_given()).await?;
    let status = match applied.documents.first().map(|document| document.outcome) {
        Some(Outcome::Created) => StatusCode::CREATED,
        _ => StatusCode::OK,
    };
    // A newer one is another client's.
    let is_this =
        |document: &Value| revision_of(document).is_some_and(|revision| revision <= applied.revision);
    let stored = if dry_run {
        None
    } else {
        app.control.get(&identity).filter(is_this)
    };
    Ok(answer(status, stored.unwrap_or_else(|| without_revision(sent))))
}

pub(crate) async fn delete<C: Control>(
    State(app): State<App<C>>,
    ItemPath(identity): ItemPath,
    DryRun(dry_run): DryRun,
    precondition: Precondition,
) -> Result<Json<Value>, ProblemDetails> {
    let control = Arc::clone(&app.control);
    let change = async move { control.delete(identity, precondition.0, dry_run).await };
    let revision = app.change(change, precondition.is_given()).await?;
    Ok(Json(json!({ "revision": revision })))
}

fn revision_of(document: &Value) -> Option<u64> {
    document.pointer("/metadata/revision")?.as_u64()
}

fn answer(status: StatusCode, document: Value) -> Response {
    let tag = etag(&document);
    let mut response = (status, Json(document)).into_response();
    if let Some(tag) = tag {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// A document that was taken but is not stored (a dry run) or no longer (deleted since), as it would be stored.
fn without_revision(sent: Value) -> Value {
    match Document::from_value(sent.clone()) {
        Ok(mut document) => {
            document.metadata.revision = None;
            document.to_value()
        }
        Err(_) => sent,
    }
}

/// Puts the path's namespace into a document without one, and checks that kind, namespace and name are the path's.
/// What is missing or no string is for the control plane to refuse.
fn address(document: &mut Value, identity: &Identity) -> Result<(), Refusal> {
    if let Some(Value::Object(metadata)) = document.get_mut("metadata") {
        metadata
            .entry("namespace")
            .or_insert_with(|| identity.namespace.as_str().into());
    }
    let problems: Vec<_> = [
        ("/kind", identity.kind.as_str()),
        ("/metadata/namespace", identity.namespace.as_str()),
        ("/metadata/name", identity.name.as_str()),
    ]
    .into_iter()
    .filter_map(|(pointer, expected)| mismatch(document, pointer, expected))
    .map(|problem| DocumentProblem {
        document: 0,
        identity: Some(identity.to_string()),
        problem,
    })
    .collect();
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Refusal::Invalid(problems))
    }
}

fn mismatch(document: &Value, pointer: &str, expected: &str) -> Option<Problem> {
    let found = document.pointer(pointer)?.as_str()?;
    (found != expected).then(|| {
        let detail = format!("{found:?}: the path says {expected:?}");
        Problem::new("path_mismatch", pointer, detail)
    })
}
