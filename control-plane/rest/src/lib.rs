//! The REST API of the control plane.
//!
//! **The problem.** People, scripts and the CLI read and change documents while proxies run on them. A request must
//! either be made whole or refused with the field that is wrong, two people must not overwrite one another unseen, and
//! a web page in an operator's browser must not reach the API behind their back.
//!
//! **The way.** HTTP semantics as they are written: `ETag` is the document's revision, `If-Match` and `If-None-Match: *`
//! guard changes (RFC 9110 section 13), every error is `application/problem+json` (RFC 9457) with JSON pointers (RFC 6901)
//! to what is wrong, modules are immutable under their digest (RFC 8246). All decisions are made behind [`Control`]; this
//! crate knows HTTP only.
//!
//! **When not to use it.** There is no authentication: bind it to loopback, or put it behind something that has it. Proxies
//! don't ask here for configuration, they have xDS; their filters ask here for what is no configuration.
//!
//! | path | methods | |
//! | --- | --- | --- |
//! | `/v1/namespaces/{namespace}/{kind}/{name}` | GET PUT DELETE | one document; `?dryRun=true` on PUT and DELETE |
//! | `/v1/namespaces/{namespace}/{kind}`, `/v1/{kind}`, `/v1/documents` | GET | `{"revision", "items"}` |
//! | `/v1/apply` | POST | `{"documents": […]}`, all or none; `?dryRun=true` |
//! | `/v1/proxies`, `/v1/proxies/{id}` | GET | who is connected, what each took or refused |
//! | `/v1/quota/reset` | POST | `{"namespace", "policy", "limit", "key": […]}`: who was held back starts anew |
//! | `/v1/cache/purge` | POST | `{"namespace", "policy", "soft"}` and one of `"all": true`, `"tags"`, `"urls"`, `"prefixes"`: cached answers that are to go |
//! | `/v1/cache/purge/{revision}` | GET | `{"proxies", "learned"}`: how many proxies know of it; `?namespace=` |
//! | `/v1/cache/warm` | POST | `{"namespace", "policy", "strategy", "urls": […]}`: answers that proxies are to fetch now |
//! | `/v1/cache/warm` | GET | when strategies run next, and what came of runs; `?namespace=` |
//! | `/v1/cache/cdn` | GET | how far the CDNs of a namespace's policies are with purges; `?namespace=` |
//! | `/v1/cache/dependencies/{tag}` | GET PUT DELETE | `{"dependsOn": […]}`: with which tags a tag is purged; `?namespace=` |
//! | `/v1/cache/dependencies` | GET | all of a namespace; `?namespace=` |
//! | `/v1/proxy/events` | GET | for filters: `?slot=…&cursor=…&wait=25`, what happened after the cursor, by long poll |
//! | `/v1/proxy/leases` | POST | for filters: what a process holds of its fleet-wide limits, and what it gets |
//! | `/v1/proxy/cache-reports` | POST | for filters: what a proxy has fetched before anybody asked for it |
//! | `/v1/leases` | GET | how fleet-wide limits are shared out |
//! | `/v1/modules`, `/v1/modules/{sha256}` | GET | the catalog, and the bytes |
//! | `/healthz`, `/metrics` | GET | |
//!
//! ```
//! # use std::collections::BTreeMap;
//! # use serde_json::Value;
//! # use tokio::sync::watch;
//! # use weir_core::cache::{CdnOutcome, CdnStatus, DependencyChange, PurgeDone, PurgeRequest, TagDependencies};
//! # use weir_core::cache::{WarmDone, WarmRequest, WarmStatus, WarmTotals};
//! # use weir_core::{event::Revision, lease::SharedLimit, module::ModuleCatalog, proxy::ProxyStatus, quota::QuotaReset};
//! # use weir_core::refusal::{Applied, Refusal};
//! # use weir_policy::{document::{Identity, Kind}, name::Name, proxy::{CacheReport, EventPage, LeaseAnswer, LeaseReport}};
//! use std::sync::Arc;
//! use std::time::SystemTime;
//! use weir_rest::{Control, Metrics, Settings, router};
//!
//! /// A control plane that has nothing and takes nothing.
//! struct Empty(ModuleCatalog);
//! impl Control for Empty {
//!     async fn apply(&self, _: Vec<Value>, _: bool) -> Result<Applied, Refusal> {
//!         Err(Refusal::Store("read-only".to_owned()))
//!     }
//!     // …
//! #   async fn delete(&self, identity: Identity, _: Option<Revision>, _: bool) -> Result<Revision, Refusal> {
//! #       Err(Refusal::NotFound(identity))
//! #   }
//! #   async fn reset_quota(&self, _: QuotaReset) -> Result<Revision, Refusal> {
//! #       Err(Refusal::Store("read-only".to_owned()))
//! #   }
//! #   async fn purge(&self, _: PurgeRequest) -> Result<PurgeDone, Refusal> {
//! #       Err(Refusal::Store("read-only".to_owned()))
//! #   }
//! #   async fn change_dependencies(&self, _: DependencyChange) -> Result<Revision, Refusal> {
//! #       Err(Refusal::Store("read-only".to_owned()))
//! #   }
//! #   fn dependencies(&self, _: &Name) -> (Revision, Vec<TagDependencies>) { (0, Vec::new()) }
//! #   fn tag_dependencies(&self, _: &Name, _: &str) -> Option<TagDependencies> { None }
//! #   fn caching_proxies(&self, _: &Name) -> usize { 0 }
//! #   async fn warm(&self, _: WarmRequest) -> Result<WarmDone, Refusal> {
//! #       Err(Refusal::Store("read-only".to_owned()))
//! #   }
//! #   fn warming(&self, _: &Name) -> WarmStatus { WarmStatus::default() }
//! #   fn cache_report(&self, _: CacheReport) {}
//! #   fn warm_totals(&self) -> WarmTotals { WarmTotals::default() }
//! #   fn cdns(&self, _: &Name) -> Vec<CdnStatus> { Vec::new() }
//! #   fn cdn_outcomes(&self) -> (u64, BTreeMap<CdnOutcome, u64>) { (0, BTreeMap::new()) }
//! #   fn events(&self, _: &Name, _: Option<Revision>) -> EventPage { EventPage::default() }
//! #   fn changes(&self) -> watch::Receiver<Revision> { watch::channel(0).1 }
//! #   async fn stopping(&self) { std::future::pending().await }
//! #   fn lease(&self, _: &LeaseReport) -> LeaseAnswer { LeaseAnswer::default() }
//! #   fn leases(&self) -> Vec<SharedLimit> { Vec::new() }
//! #   fn get(&self, _: &Identity) -> Option<Value> { None }
//! #   fn list(&self, _: Option<&Name>, _: Option<Kind>) -> (Revision, Vec<Value>) { (0, Vec::new()) }
//! #   fn revision(&self) -> Revision { 0 }
//! #   fn count(&self, _: Kind) -> usize { 0 }
//! #   fn proxies(&self) -> Vec<ProxyStatus> { Vec::new() }
//! #   fn answers(&self) -> BTreeMap<(&'static str, bool), u64> { BTreeMap::new() }
//! #   fn modules(&self) -> &ModuleCatalog { &self.0 }
//! #   async fn module(&self, _: &str) -> Option<Vec<u8>> { None }
//! }
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
//! let metrics = Arc::new(Metrics::new("0.1.0", SystemTime::now()));
//! let router = router(Arc::new(Empty(ModuleCatalog::default())), metrics, Settings::default());
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let serving = axum::serve(listener, router);
//! # Ok::<_, std::io::Error>(())
//! # }).unwrap();
//! ```

mod app;
mod body;
mod cache;
mod control;
mod documents;
mod events;
mod guard;
mod leases;
mod metrics;
mod modules;
mod path;
mod polls;
mod precondition;
mod problem;
mod proxies;
mod query;
mod quota;
mod settings;
mod trace;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use http::{Method, Uri, header};

use app::App;
pub use control::Control;
pub use metrics::Metrics;
use polls::Polls;
use problem::{INTERNAL, METHOD, NOT_FOUND, ProblemDetails};
pub use settings::Settings;

/// The API over `control`, ready to be served. The caller bounds how long a request's head may take.
pub fn router<C: Control>(control: Arc<C>, metrics: Arc<Metrics>, settings: Settings) -> Router {
    let settings = Arc::new(settings);
    let app = App {
        control,
        metrics: Arc::clone(&metrics),
        settings: Arc::clone(&settings),
        polls: Arc::new(Polls::default()),
    };
    Router::new()
        .merge(document_routes())
        .merge(cache_routes())
        .route("/v1/quota/reset", post(quota::reset))
        .route("/v1/proxy/events", get(events::poll))
        .route("/v1/proxy/leases", post(leases::report))
        .route("/v1/proxy/cache-reports", post(cache::report))
        .route("/v1/leases", get(leases::list))
        .route("/v1/proxies", get(proxies::list))
        .route("/v1/proxies/{id}", get(proxies::get))
        .route("/v1/modules", get(modules::catalog))
        .route("/v1/modules/{sha256}", get(modules::module))
        .route("/healthz", get(async || "ok"))
        .route("/metrics", get(render_metrics))
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(from_fn_with_state(settings, guard::guard))
        .layer(from_fn_with_state(metrics, trace::trace))
        .with_state(app)
}

fn document_routes<C: Control>() -> Router<App<C>> {
    let one = get(documents::get).put(documents::put).delete(documents::delete);
    Router::new()
        .route("/v1/apply", post(documents::apply))
        .route("/v1/documents", get(documents::list_all))
        .route("/v1/{kind}", get(documents::list))
        .route("/v1/namespaces/{namespace}/{kind}", get(documents::list))
        .route("/v1/namespaces/{namespace}/{kind}/{name}", one)
}

fn cache_routes<C: Control>() -> Router<App<C>> {
    let one = get(cache::get_dependencies)
        .put(cache::put_dependencies)
        .delete(cache::delete_dependencies);
    Router::new()
        .route("/v1/cache/purge", post(cache::purge))
        .route("/v1/cache/purge/{revision}", get(cache::progress))
        .route("/v1/cache/cdn", get(cache::cdns))
        .route("/v1/cache/warm", post(cache::warm).get(cache::warming))
        .route("/v1/cache/dependencies", get(cache::dependencies))
        .route("/v1/cache/dependencies/{tag}", one)
}

async fn render_metrics<C: Control>(State(app): State<App<C>>) -> Result<impl IntoResponse, ProblemDetails> {
    match app.metrics.render(app.control.as_ref(), app.polls.count()) {
        Ok(text) => Ok(([(header::CONTENT_TYPE, metrics::MEDIA_TYPE)], text)),
        Err(error) => Err(ProblemDetails::new(&INTERNAL, error.to_string())),
    }
}

async fn no_such_path(uri: Uri) -> ProblemDetails {
    ProblemDetails::new(&NOT_FOUND, format!("there is nothing at {}", uri.path()))
}

/// The `Allow` header is axum's.
async fn no_such_method(method: Method, uri: Uri) -> ProblemDetails {
    ProblemDetails::new(&METHOD, format!("{method} is not allowed at {}", uri.path()))
}
