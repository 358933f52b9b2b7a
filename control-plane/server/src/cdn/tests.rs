use std::collections::VecDeque;
use std::path::Path;

use axum::Router;
use axum::extract::State as Extracted;
use http::{HeaderMap, StatusCode};
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use rustls::pki_types::PrivateKeyDer;
use rustls::{RootCertStore, ServerConfig};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use weir_core::module::ModuleCatalog;
use weir_policy::name::Name;
use weir_rest::Control;
use weir_store::SqliteStore;

use super::*;
use crate::outbound;
use crate::world::World;

/// How it answers next; then always with 204.
enum Behaviour {
    Status(u16),
    /// Never.
    Silence,
}

/// A CDN's API, which notes what it is told.
#[derive(Default)]
struct Cdn {
    behaviours: Mutex<VecDeque<Behaviour>>,
    told: Mutex<Vec<(HeaderMap, Value)>>,
    changed: Notify,
}

async fn answer(Extracted(cdn): Extracted<Arc<Cdn>>, headers: HeaderMap, body: String) -> StatusCode {
    let behaviour = cdn.behaviours.lock().unwrap().pop_front();
    let told = (headers, serde_json::from_str(&body).unwrap());
    cdn.told.lock().unwrap().push(told);
    cdn.changed.notify_one();
    match behaviour {
        None => StatusCode::NO_CONTENT,
        Some(Behaviour::Status(status)) => StatusCode::from_u16(status).unwrap(),
        Some(Behaviour::Silence) => std::future::pending().await,
    }
}

impl Cdn {
    async fn start(behaviours: impl IntoIterator<Item = Behaviour>) -> (Arc<Self>, String) {
        let cdn = Arc::new(Self::default());
        cdn.behaviours.lock().unwrap().extend(behaviours);
        let router = Router::new().fallback(answer).with_state(Arc::clone(&cdn));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/purge?site=1", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        (cdn, url)
    }

    /// One that is asked over TLS only, and the authority that vouches for it.
    async fn start_secure() -> (Arc<Self>, String, RootCertStore) {
        let own = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let mut authorities = RootCertStore::empty();
        authorities.add(own.cert.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::try_from(own.signing_key.serialize_der()).unwrap();
        let tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![own.cert.der().clone()], key)
            .unwrap();
        let cdn = Arc::new(Self::default());
        let router = Router::new().fallback(answer).with_state(Arc::clone(&cdn));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!(
            "https://localhost:{}/purge",
            listener.local_addr().unwrap().port()
        );
        tokio::spawn(serve_secure(listener, TlsAcceptor::from(Arc::new(tls)), router));
        (cdn, url, authorities)
    }

    /// The revisions that it was told, once there are so many.
    async fn revisions(&self, count: usize) -> Vec<u64> {
        loop {
            let told = self.told.lock().unwrap().clone();
            if told.len() >= count {
                let of = |(_, body): &(HeaderMap, Value)| body["revision"].as_u64().unwrap();
                return told.iter().map(of).collect();
            }
            self.changed.notified().await;
        }
    }
}

/// A client that does not trust the certificate is not served, and harms nobody else.
async fn serve_secure(listener: TcpListener, acceptor: TlsAcceptor, router: Router) {
    loop {
        let (tcp, _) = listener.accept().await.unwrap();
        if let Ok(tls) = acceptor.accept(tcp).await {
            let service = TowerToHyperService::new(router.clone());
            let connection = http1::Builder::new().serve_connection(TokioIo::new(tls), service);
            tokio::spawn(connection);
        }
    }
}

/// A control plane over a folder.
struct Plane {
    controller: Arc<Controller<SqliteStore>>,
    stop: watch::Sender<bool>,
    running: JoinHandle<()>,
}

impl Plane {
    async fn start(folder: &Path) -> Self {
        Self::trusting(folder, RootCertStore::empty()).await
    }

    async fn trusting(folder: &Path, authorities: RootCertStore) -> Self {
        let outbound = outbound::client(authorities).unwrap();
        let (world, proxies) = (Arc::new(World::new(ModuleCatalog::default())), Arc::default());
        let (stop, stopped) = watch::channel(false);
        let store = SqliteStore::open(folder).await.unwrap();
        let opened = Controller::open(
            store,
            world,
            proxies,
            folder.to_owned(),
            outbound,
            stopped.clone(),
        );
        let controller = Arc::new(opened.await.unwrap());
        let tries = Tries {
            most: 3,
            first_pause: Duration::from_millis(1),
        };
        let running = tokio::spawn(run(Arc::clone(&controller), tries, stopped));
        Self {
            controller,
            stop,
            running,
        }
    }

    async fn end(self) {
        self.stop.send_replace(true);
        self.running.await.unwrap();
        self.controller.close().await;
    }

    async fn policy(&self, name: &str, purge: Value) {
        let document = json!({"apiVersion": "weir.dev/v1alpha1", "kind": "CachePolicy", "metadata": {"name": name},
                              "spec": {"cdn": {"purge": purge}}});
        self.controller.apply(vec![document], false).await.unwrap();
    }

    async fn purge(&self, request: Value) -> u64 {
        let request = serde_json::from_value(request).unwrap();
        self.controller.purge(request).await.unwrap().revision
    }

    /// The first policy's, once it is so.
    async fn status(&self, wanted: impl Fn(&CdnStatus) -> bool) -> CdnStatus {
        let mut changes = self.controller.changes();
        loop {
            let status = Control::cdns(&*self.controller, &Name::default_namespace()).remove(0);
            if wanted(&status) {
                return status;
            }
            changes.changed().await.unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cdn_is_told_of_its_purges_in_order_with_the_policys_headers() {
    let home = tempfile::tempdir().unwrap();
    let (cdn, url) = Cdn::start([]).await;
    let plane = Plane::start(home.path()).await;
    plane
        .policy(
            "pages",
            json!({"url": url, "headers": [{"name": "x-site", "value": "shop"}]}),
        )
        .await;
    plane.policy("other", json!({"url": "http://127.0.0.1:1/"})).await;
    let first = plane
        .purge(json!({"tags": ["a"], "policy": "pages", "soft": true}))
        .await;
    let second = plane.purge(json!({"all": true, "policy": "pages"})).await;
    cdn.revisions(2).await;
    let told = cdn.told.lock().unwrap().clone();
    assert_eq!(told[0].0["x-site"], "shop");
    assert_eq!(told[0].0["content-type"], "application/json");
    let bodies: Vec<Value> = told.into_iter().map(|(_, body)| body).collect();
    assert_eq!(
        bodies,
        [
            json!({"policy": "default/pages", "revision": first, "soft": true, "tags": ["a"]}),
            json!({"policy": "default/pages", "revision": second, "soft": false, "all": true}),
        ]
    );
    plane.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_cdn_did_not_take_it_is_told_again_and_what_comes_after_waits() {
    let home = tempfile::tempdir().unwrap();
    let (cdn, url) = Cdn::start([Behaviour::Status(503), Behaviour::Silence]).await;
    let plane = Plane::start(home.path()).await;
    plane
        .policy("pages", json!({"url": url, "timeout": "50ms"}))
        .await;
    let first = plane.purge(json!({"tags": ["a"]})).await;
    let second = plane.purge(json!({"tags": ["b"]})).await;
    let settled = plane
        .status(|status| status.last.is_some_and(|last| last.revision == second.max(first)))
        .await;
    assert_eq!((settled.waiting, settled.failure), (0, None));
    assert_eq!(settled.last.unwrap().outcome, CdnOutcome::Delivered);
    let revisions = cdn.revisions(4).await;
    assert_eq!(&revisions[..3], [first; 3], "{revisions:?}");
    assert_eq!(revisions.last(), Some(&second));
    while plane.controller.cdn_outcomes() != (2, BTreeMap::from([(CdnOutcome::Delivered, 2)])) {
        tokio::task::yield_now().await;
    }
    plane.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_that_is_never_taken_is_given_up_for_the_next() {
    let home = tempfile::tempdir().unwrap();
    let never = || (0..3).map(|_| Behaviour::Status(400));
    let (cdn, url) = Cdn::start(never()).await;
    let plane = Plane::start(home.path()).await;
    plane.policy("pages", json!({"url": url})).await;
    let first = plane.purge(json!({"tags": ["a"]})).await;
    let given_up = plane.status(|status| status.last.is_some()).await;
    let last = given_up.last.unwrap();
    assert_eq!((last.revision, last.outcome), (first, CdnOutcome::GivenUp));
    let second = plane.purge(json!({"tags": ["b"]})).await;
    assert_eq!(cdn.revisions(4).await, [first, first, first, second]);
    plane.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cdn_is_told_over_tls_if_an_authority_vouches_for_it_and_else_nothing() {
    let home = tempfile::tempdir().unwrap();
    let (cdn, url, authorities) = Cdn::start_secure().await;
    let plane = Plane::start(home.path()).await;
    plane.policy("pages", json!({"url": url})).await;
    plane.purge(json!({"tags": ["a"]})).await;
    let answer = plane.controller.outbound().get(url.parse().unwrap()).await;
    let detail = format!("{:#}", anyhow::Error::new(answer.unwrap_err()));
    assert!(detail.contains("invalid peer certificate"), "{detail}");
    let given_up = plane.status(|status| status.last.is_some()).await;
    assert_eq!(given_up.last.unwrap().outcome, CdnOutcome::GivenUp);
    plane.end().await;
    assert_eq!(cdn.told.lock().unwrap().len(), 0);

    let plane = Plane::trusting(home.path(), authorities).await;
    let told = plane.purge(json!({"tags": ["b"]})).await;
    assert_eq!(cdn.revisions(1).await, [told]);
    plane.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_comes_from_the_environment_and_without_it_nothing_is_sent() {
    let home = tempfile::tempdir().unwrap();
    let (cdn, url) = Cdn::start([]).await;
    let plane = Plane::start(home.path()).await;
    let headers = json!([{"name": "authorization", "fromEnv": "WEIR_CDN_NOT_SET"}]);
    plane
        .policy("pages", json!({"url": url, "headers": headers}))
        .await;
    plane.purge(json!({"all": true})).await;
    plane.status(|status| status.last.is_some()).await;
    assert_eq!(cdn.told.lock().unwrap().len(), 0);
    plane.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_told_before_a_restart_is_told_after_it() {
    let home = tempfile::tempdir().unwrap();
    let (cdn, url) = Cdn::start([]).await;
    let plane = Plane::start(home.path()).await;
    plane.policy("pages", json!({"url": url})).await;
    let told = plane.purge(json!({"tags": ["a"]})).await;
    plane.status(|status| status.last.is_some()).await;
    cdn.behaviours.lock().unwrap().push_back(Behaviour::Silence);
    let lost = plane.purge(json!({"tags": ["b"]})).await;
    cdn.revisions(2).await;
    plane.end().await;

    let plane = Plane::start(home.path()).await;
    plane
        .status(|status| status.last.is_some_and(|last| last.revision == lost))
        .await;
    assert_eq!(cdn.revisions(3).await, [told, lost, lost]);
    plane.end().await;
}

#[test]
fn pauses_double_and_come_to_about_ten_minutes() {
    let tries = Tries::default();
    let all: Duration = (1..tries.most).map(|tried| tries.pause(tried)).sum();
    assert!((383..=639).contains(&all.as_secs()), "{all:?}");
    assert!(tries.pause(u32::MAX) < Duration::from_secs(100_000));
}
