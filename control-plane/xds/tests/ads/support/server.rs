//! An ADS server on a loopback port, over a source that tests set.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use weir_core::node::NodeKind;
use weir_core::proxy::{Proxies, ProxyStatus, TypeStatus};
use weir_core::snapshot::{ResourceType, Snapshot, SnapshotSource, View};
use weir_xds::{AdsService, Options};

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

struct Source(Mutex<View>);

impl SnapshotSource for Source {
    fn view(&self, _: &NodeKind) -> View {
        self.0.lock().unwrap().clone()
    }

    fn former(&self, _: &NodeKind) -> Vec<Arc<Snapshot>> {
        Vec::new()
    }
}

pub(crate) struct Ads {
    source: Arc<Source>,
    changes: watch::Sender<u64>,
    pub(crate) proxies: Arc<Proxies>,
    pub(crate) address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    served: JoinHandle<Result<(), tonic::transport::Error>>,
}

impl Ads {
    pub(crate) async fn start(view: View) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let source = Arc::new(Source(Mutex::new(view)));
        let (changes, changed) = watch::channel(0);
        let proxies = Arc::new(Proxies::default());
        let service = AdsService::new(
            source.clone(),
            changed,
            proxies.clone(),
            || 1_000,
            Options::default(),
        );
        let (stop, stopped) = oneshot::channel();
        let served = tokio::spawn(service.serve(listener, async {
            let _ = stopped.await;
        }));
        Self {
            source,
            changes,
            proxies,
            address,
            stop: Some(stop),
            served,
        }
    }

    pub(crate) fn set(&self, view: View) {
        *self.source.0.lock().unwrap() = view;
        self.changes.send_modify(|revision| *revision += 1);
    }

    /// The proxy's status, once it is as expected.
    pub(crate) async fn status(&self, what: &str, expected: impl Fn(&ProxyStatus) -> bool) -> ProxyStatus {
        let poll = async {
            loop {
                let found = self.proxies.list().into_iter().find(&expected);
                match found {
                    Some(status) => return status,
                    None => tokio::time::sleep(Duration::from_millis(2)).await,
                }
            }
        };
        let patient = tokio::time::timeout(PATIENCE, poll).await;
        patient.unwrap_or_else(|_| panic!("no proxy {what}: {:#?}", self.proxies.list()))
    }

    /// Stops the server and returns when it has stopped.
    pub(crate) async fn stop(mut self) {
        self.stop.take().unwrap().send(()).unwrap();
        let served = tokio::time::timeout(PATIENCE, self.served).await;
        served.expect("the server didn't stop").unwrap().unwrap();
    }
}

pub(crate) fn of(status: &ProxyStatus, resource_type: ResourceType) -> TypeStatus {
    status
        .types
        .get(resource_type.service())
        .cloned()
        .unwrap_or_default()
}

/// Whether the proxy has taken what it was sent last, and refuses nothing.
pub(crate) fn has_taken(status: &ProxyStatus, resource_type: ResourceType, version: &str) -> bool {
    of(status, resource_type).acked_version.as_deref() == Some(version)
}
