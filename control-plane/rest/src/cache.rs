//! Caches: answers that are to go, and what goes with them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use weir_core::cache::{
    CdnStatus, DependencyChange, FILTER, PurgeDone, PurgeProgress, PurgeRequest, TagDependencies, WarmDone,
    WarmRequest, WarmStatus,
};
use weir_core::event::Revision;
use weir_core::refusal::Refusal;
use weir_policy::name::Name;
use weir_policy::proxy::CacheReport;

use crate::app::App;
use crate::body::JsonBody;
use crate::control::Control;
use crate::path::Part;
use crate::problem::{BAD_PATH, ProblemDetails};
use crate::query::{InNamespace, NoQuery};

/// `{"dependsOn": […]}`
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DependsOn {
    depends_on: Vec<String>,
}

/// `{"revision": 17, "items": […]}`
#[derive(Serialize)]
pub(crate) struct AllDependencies {
    revision: Revision,
    items: Vec<TagDependencies>,
}

/// Answers once the event is durable.
pub(crate) async fn purge<C: Control>(
    State(app): State<App<C>>,
    _: NoQuery,
    JsonBody(request): JsonBody<PurgeRequest>,
) -> Result<Json<PurgeDone>, ProblemDetails> {
    let control = Arc::clone(&app.control);
    let change = async move { control.purge(request).await };
    app.change(change, false).await.map(Json)
}

/// How many proxies know of the purge at a revision. Whoever waits for more has read everything before.
pub(crate) async fn progress<C: Control>(
    State(app): State<App<C>>,
    Part(revision): Part,
    InNamespace(namespace): InNamespace,
) -> Result<Json<PurgeProgress>, ProblemDetails> {
    let revision: Revision = revision
        .parse()
        .map_err(|_| ProblemDetails::new(&BAD_PATH, format!("{revision:?}: expected a purge's revision")))?;
    Ok(Json(PurgeProgress {
        proxies: app.control.caching_proxies(&namespace),
        learned: app.polls.read_up_to(&namespace, FILTER, revision),
    }))
}

/// Answers once the run is durable; where the strategy has keys, they are fetched first.
pub(crate) async fn warm<C: Control>(
    State(app): State<App<C>>,
    _: NoQuery,
    JsonBody(request): JsonBody<WarmRequest>,
) -> Result<Json<WarmDone>, ProblemDetails> {
    let control = Arc::clone(&app.control);
    let change = async move { control.warm(request).await };
    app.change(change, false).await.map(Json)
}

pub(crate) async fn warming<C: Control>(
    State(app): State<App<C>>,
    InNamespace(namespace): InNamespace,
) -> Json<WarmStatus> {
    Json(app.control.warming(&namespace))
}

pub(crate) async fn report<C: Control>(
    State(app): State<App<C>>,
    _: NoQuery,
    JsonBody(report): JsonBody<CacheReport>,
) -> Json<Value> {
    app.control.cache_report(report);
    Json(json!({}))
}

/// `{"items": […]}`
#[derive(Serialize)]
pub(crate) struct AllCdns {
    items: Vec<CdnStatus>,
}

pub(crate) async fn cdns<C: Control>(
    State(app): State<App<C>>,
    InNamespace(namespace): InNamespace,
) -> Json<AllCdns> {
    Json(AllCdns {
        items: app.control.cdns(&namespace),
    })
}

pub(crate) async fn dependencies<C: Control>(
    State(app): State<App<C>>,
    InNamespace(namespace): InNamespace,
) -> Json<AllDependencies> {
    let (revision, items) = app.control.dependencies(&namespace);
    Json(AllDependencies { revision, items })
}

pub(crate) async fn get_dependencies<C: Control>(
    State(app): State<App<C>>,
    Part(tag): Part,
    InNamespace(namespace): InNamespace,
) -> Result<Json<TagDependencies>, ProblemDetails> {
    let known = app.control.tag_dependencies(&namespace, &tag);
    let unknown = || ProblemDetails::from_refusal(Refusal::NoDependencies { namespace, tag }, false);
    known.map(Json).ok_or_else(unknown)
}

pub(crate) async fn put_dependencies<C: Control>(
    State(app): State<App<C>>,
    Part(tag): Part,
    InNamespace(namespace): InNamespace,
    JsonBody(body): JsonBody<DependsOn>,
) -> Result<Json<Value>, ProblemDetails> {
    change(&app, namespace, tag, Some(body.depends_on)).await
}

pub(crate) async fn delete_dependencies<C: Control>(
    State(app): State<App<C>>,
    Part(tag): Part,
    InNamespace(namespace): InNamespace,
) -> Result<Json<Value>, ProblemDetails> {
    change(&app, namespace, tag, None).await
}

async fn change<C: Control>(
    app: &App<C>,
    namespace: Name,
    tag: String,
    depends_on: Option<Vec<String>>,
) -> Result<Json<Value>, ProblemDetails> {
    let change = DependencyChange {
        namespace,
        tag,
        depends_on,
    };
    let control = Arc::clone(&app.control);
    let change = async move { control.change_dependencies(change).await };
    let revision = app.change(change, false).await?;
    Ok(Json(json!({ "revision": revision })))
}
