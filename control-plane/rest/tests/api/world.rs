//! A control plane in memory, and a client without a network.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Request, StatusCode, header};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::sync::{Notify, Semaphore, watch};
use tower::ServiceExt;
use weir_core::cache::{
    CdnOutcome, CdnStatus, DependencyChange, PurgeDone, PurgeRequest, TagDependencies, Timetable, WarmDone,
    WarmOutcome, WarmRequest, WarmStatus, WarmTotals, caching_proxies, warming_proxies,
};
use weir_core::event::{Change, Event, Revision};
use weir_core::lease::SharedLimit;
use weir_core::module::{Module, ModuleCatalog};
use weir_core::proxy::{Proxies, ProxyStatus};
use weir_core::quota::QuotaReset;
use weir_core::refusal::{Applied, Refusal};
use weir_core::state::State;
use weir_policy::document::{Identity, Kind};
use weir_policy::name::Name;
use weir_policy::proxy::{CacheReport, EventPage, LeaseAnswer, LeaseReport, LimitGrant, LimitReport};
use weir_rest::{Control, Metrics, Settings, router};

pub(crate) const MODULE: &[u8] = b"\0asm\x01\0\0\0";

pub(crate) fn digest() -> String {
    "0123456789abcdef".repeat(4)
}

/// Documents in memory: what the real control plane does, less the disk.
pub(crate) struct Plane {
    state: Mutex<State>,
    pub(crate) proxies: Proxies,
    catalog: ModuleCatalog,
    /// Whether the store fails.
    pub(crate) broken: AtomicBool,
    /// Changes pass one permit each.
    pub(crate) gate: Semaphore,
    /// A change stands before the gate.
    pub(crate) waiting: Notify,
    /// A change was made.
    pub(crate) changed: Notify,
    revisions: watch::Sender<Revision>,
    pub(crate) leases: Mutex<Vec<SharedLimit>>,
    pub(crate) reports: Mutex<Vec<CacheReport>>,
    /// Whether it is about to end.
    pub(crate) stop: watch::Sender<bool>,
}

impl Plane {
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    async fn pass(&self) {
        self.waiting.notify_one();
        self.gate.acquire().await.unwrap().forget();
    }

    fn append(&self, state: &mut State, changes: Vec<Change>) -> Result<(), Refusal> {
        if self.broken.load(Ordering::Relaxed) {
            return Err(Refusal::Store("the disk is full".to_owned()));
        }
        for change in changes {
            let revision = state.revision() + 1;
            let event = Event {
                revision,
                at_ms: 0,
                change,
            };
            state.apply(&event).unwrap();
        }
        self.changed.notify_one();
        self.revisions.send_replace(state.revision());
        Ok(())
    }
}

impl Control for Plane {
    async fn apply(&self, documents: Vec<Value>, dry_run: bool) -> Result<Applied, Refusal> {
        self.pass().await;
        let mut state = self.state();
        let plan = state.plan(documents)?;
        if !dry_run {
            self.append(&mut state, plan.changes)?;
        }
        Ok(Applied {
            revision: state.revision(),
            documents: plan.documents,
        })
    }

    async fn delete(
        &self,
        identity: Identity,
        expected: Option<Revision>,
        dry_run: bool,
    ) -> Result<Revision, Refusal> {
        self.pass().await;
        let mut state = self.state();
        let change = state.plan_delete(&identity, expected)?;
        if !dry_run {
            self.append(&mut state, vec![change])?;
        }
        Ok(state.revision())
    }

    async fn reset_quota(&self, reset: QuotaReset) -> Result<Revision, Refusal> {
        self.pass().await;
        let mut state = self.state();
        let change = state.plan_reset(&reset)?;
        self.append(&mut state, vec![change])?;
        Ok(state.revision())
    }

    async fn purge(&self, request: PurgeRequest) -> Result<PurgeDone, Refusal> {
        self.pass().await;
        let mut state = self.state();
        let (changes, scope) = state.plan_purge(&request)?;
        self.append(&mut state, changes)?;
        Ok(PurgeDone {
            revision: state.revision(),
            scope,
            proxies: caching_proxies(&state, &self.proxies, &request.namespace),
        })
    }

    async fn change_dependencies(&self, change: DependencyChange) -> Result<Revision, Refusal> {
        self.pass().await;
        let mut state = self.state();
        let changes = state.plan_dependencies(&change)?;
        self.append(&mut state, changes)?;
        Ok(state.revision())
    }

    fn dependencies(&self, namespace: &Name) -> (Revision, Vec<TagDependencies>) {
        let state = self.state();
        (state.revision(), state.all_dependencies(namespace))
    }

    fn tag_dependencies(&self, namespace: &Name, tag: &str) -> Option<TagDependencies> {
        self.state().tag_dependencies(namespace, tag)
    }

    fn caching_proxies(&self, namespace: &Name) -> usize {
        caching_proxies(&self.state(), &self.proxies, namespace)
    }

    /// Paths only, no keys.
    async fn warm(&self, request: WarmRequest) -> Result<WarmDone, Refusal> {
        self.pass().await;
        let mut state = self.state();
        let job = state.warm_job(&request)?;
        let proxies = warming_proxies(&state, &self.proxies, &job);
        let (changes, done) = state.plan_warm(&job, job.source().unwrap(), &proxies);
        self.append(&mut state, changes)?;
        Ok(done)
    }

    fn warming(&self, namespace: &Name) -> WarmStatus {
        WarmStatus::of(&self.state(), namespace, &Timetable::default())
    }

    fn cache_report(&self, report: CacheReport) {
        self.reports.lock().unwrap().push(report);
    }

    fn warm_totals(&self) -> WarmTotals {
        WarmTotals {
            runs: BTreeMap::from([(WarmOutcome::Done, 4), (WarmOutcome::NotBegun, 1)]),
            under_way: 2,
            fetched: 30,
            hit: 20,
            failed: 10,
            left_out: 5,
        }
    }

    fn cdns(&self, namespace: &Name) -> Vec<CdnStatus> {
        self.state().cdn_statuses(namespace)
    }

    fn cdn_outcomes(&self) -> (u64, BTreeMap<CdnOutcome, u64>) {
        (2, BTreeMap::from([(CdnOutcome::Delivered, 3)]))
    }

    fn events(&self, namespace: &Name, cursor: Option<Revision>) -> EventPage {
        self.state().page(namespace, cursor)
    }

    fn changes(&self) -> watch::Receiver<Revision> {
        self.revisions.subscribe()
    }

    async fn stopping(&self) {
        let mut stop = self.stop.subscribe();
        let _ = stop.wait_for(|stop| *stop).await;
    }

    /// Nothing for anyone.
    fn lease(&self, report: &LeaseReport) -> LeaseAnswer {
        let nothing = |limit: &LimitReport| LimitGrant {
            limit: limit.limit.clone(),
            share: 0,
            keys: Vec::new(),
        };
        LeaseAnswer {
            lease_ms: 5_000,
            proxies: 1,
            limits: report.limits.iter().map(nothing).collect(),
        }
    }

    fn leases(&self) -> Vec<SharedLimit> {
        self.leases.lock().unwrap().clone()
    }

    fn get(&self, identity: &Identity) -> Option<Value> {
        let state = self.state();
        let stored = state.get(identity)?;
        let mut document = stored.document.to_value();
        document["metadata"]["revision"] = stored.revision.into();
        document["status"] = json!({});
        Some(document)
    }

    fn list(&self, namespace: Option<&Name>, kind: Option<Kind>) -> (Revision, Vec<Value>) {
        let identities: Vec<_> = self
            .state()
            .documents()
            .map(|(identity, _)| identity.clone())
            .filter(|identity| namespace.is_none_or(|namespace| identity.namespace == *namespace))
            .filter(|identity| kind.is_none_or(|kind| identity.kind == kind))
            .collect();
        let items = identities
            .iter()
            .filter_map(|identity| self.get(identity))
            .collect();
        (self.revision(), items)
    }

    fn revision(&self) -> Revision {
        self.state().revision()
    }

    fn count(&self, kind: Kind) -> usize {
        self.list(None, Some(kind)).1.len()
    }

    fn proxies(&self) -> Vec<ProxyStatus> {
        self.proxies.list()
    }

    fn answers(&self) -> BTreeMap<(&'static str, bool), u64> {
        self.proxies.answers()
    }

    fn modules(&self) -> &ModuleCatalog {
        &self.catalog
    }

    async fn module(&self, sha256: &str) -> Option<Vec<u8>> {
        (sha256 == digest()).then(|| MODULE.to_vec())
    }
}

/// A control plane and the API over it.
pub(crate) struct World {
    pub(crate) plane: Arc<Plane>,
    pub(crate) router: Router,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(Settings::default())
    }

    pub(crate) fn with(settings: Settings) -> Self {
        let module = Module {
            sha256: digest(),
            size: MODULE.len() as u64,
        };
        let plane = Arc::new(Plane {
            state: Mutex::default(),
            proxies: Proxies::default(),
            catalog: ModuleCatalog {
                modules: BTreeMap::from([("shard-router".to_owned(), module)]),
            },
            broken: AtomicBool::new(false),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
            waiting: Notify::new(),
            changed: Notify::new(),
            leases: Mutex::default(),
            reports: Mutex::default(),
            revisions: watch::Sender::new(0),
            stop: watch::Sender::new(false),
        });
        let metrics = Metrics::new("1.2.3", UNIX_EPOCH + Duration::from_millis(1_500));
        let router = router(Arc::clone(&plane), Arc::new(metrics), settings);
        Self { plane, router }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answer {
            status: head.status,
            headers: head.headers,
            body,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn put(&self, path: &str, document: &Value) -> Answer {
        self.put_if(path, document, &[]).await
    }

    pub(crate) async fn put_if(&self, path: &str, document: &Value, headers: &[(&str, &str)]) -> Answer {
        self.json("PUT", path, document.to_string(), headers).await
    }

    pub(crate) async fn apply(&self, path: &str, body: &Value) -> Answer {
        self.json("POST", path, body.to_string(), &[]).await
    }

    pub(crate) async fn json(
        &self,
        method: &str,
        path: &str,
        body: impl Into<Body>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::CONTENT_TYPE, "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(body.into()).unwrap()).await
    }

    pub(crate) async fn delete(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = Request::delete(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.send(request.body(Body::empty()).unwrap()).await
    }

    pub(crate) async fn put_new(&self, document: &Value) {
        let answer = self.put(&path_of(document), document).await;
        assert_eq!(answer.status, 201, "{answer:?}");
    }
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        assert_eq!(
            self.headers[header::CONTENT_TYPE],
            "application/json",
            "{}",
            self.text()
        );
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The answer as a problem of this status and type; checks the shape of RFC 9457.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16, slug: &str) -> Value {
        let problem = self.any_problem();
        assert_eq!(self.status, status, "{problem}");
        assert_eq!(
            problem["type"],
            format!("https://weir.dev/problems/{slug}"),
            "{problem}"
        );
        problem
    }

    #[track_caller]
    pub(crate) fn any_problem(&self) -> Value {
        let content_type = self.header("content-type");
        assert_eq!(
            content_type,
            Some("application/problem+json"),
            "{} {}",
            self.status,
            self.text()
        );
        let problem: Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem["status"], self.status.as_u16());
        assert!(
            problem["type"]
                .as_str()
                .unwrap()
                .starts_with("https://weir.dev/problems/")
        );
        for field in ["title", "detail"] {
            assert!(!problem[field].as_str().unwrap().is_empty(), "{problem}");
        }
        for error in problem["errors"].as_array().into_iter().flatten() {
            assert!(
                error["document"].is_u64() && error["pointer"].is_string(),
                "{problem}"
            );
            assert!(
                error["reason"].is_string() && error["detail"].is_string(),
                "{problem}"
            );
        }
        problem
    }
}

pub(crate) fn backend(name: &str) -> Value {
    backend_at(name, 8080)
}

pub(crate) fn backend_at(name: &str, port: u16) -> Value {
    json!({
        "apiVersion": "weir.dev/v1alpha1",
        "kind": "Backend",
        "metadata": {"namespace": "default", "name": name},
        "spec": {"endpoints": [{"address": "127.0.0.1", "port": port, "role": "primary"}]},
    })
}

pub(crate) fn shard_map(name: &str, backend: &str) -> Value {
    json!({
        "apiVersion": "weir.dev/v1alpha1",
        "kind": "ShardMap",
        "metadata": {"namespace": "default", "name": name},
        "spec": {
            "key": {"sources": [{"header": "x-user"}]},
            "strategy": {"hash": {"algorithm": "ring-v1"}},
            "shards": [{"name": "a", "backend": backend}],
        },
    })
}

/// The policy `api`, with a limit whose key has two values.
pub(crate) fn rate_limit_policy(namespace: &str) -> Value {
    json!({
        "apiVersion": "weir.dev/v1alpha1",
        "kind": "RateLimitPolicy",
        "metadata": {"namespace": namespace, "name": "api"},
        "spec": {"limits": [{
            "name": "per-user",
            "key": [{"header": "x-user"}, {"header": "x-plan"}],
            "quota": {"rate": {"requests": 1, "window": "1s"}},
        }]},
    })
}

pub(crate) fn path_of(document: &Value) -> String {
    let kind: Kind = document["kind"].as_str().unwrap().parse().unwrap();
    let text = |field: &str| document["metadata"][field].as_str().unwrap().to_owned();
    format!(
        "/v1/namespaces/{}/{}/{}",
        text("namespace"),
        kind.plural(),
        text("name")
    )
}
