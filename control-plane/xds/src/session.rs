//! One stream: carries requests, changes and time to its state, and what comes of them to the proxy.

use std::sync::Arc;
use std::time::Duration;

use envoy_types::pb::envoy::service::discovery::v3::{DiscoveryRequest, DiscoveryResponse};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tonic::{Status, Streaming};
use tracing::Instrument;
use weir_core::node::NodeKind;

use crate::node;
use crate::registration::Registration;
use crate::service::Shared;
use crate::stream::{Output, StreamState, assignment};
use crate::wire;

/// Where responses go. Bounded: a proxy that is slow to read holds back its own stream, which then continues with the
/// newest view.
pub(crate) type Outbox = mpsc::Sender<Result<DiscoveryResponse, Status>>;

/// The stream has ended.
struct Ended;

struct Session {
    shared: Arc<Shared>,
    kind: NodeKind,
    state: StreamState,
    registration: Registration,
    outbox: Outbox,
    started: Instant,
    /// What the source said of itself before the newest view was taken from it.
    revision: u64,
}

/// Serves a stream to its end.
pub(crate) async fn run(shared: Arc<Shared>, mut inbound: Streaming<DiscoveryRequest>, outbox: Outbox) {
    let Some(first) = next(&mut inbound).await else {
        return;
    };
    let node = match node::read(first.node.clone()) {
        Ok(node) => node,
        Err(status) => {
            tracing::warn!(why = status.message(), "a stream without a usable node");
            // A proxy that is gone doesn't need to hear it.
            let _ = outbox.send(Err(status)).await;
            return;
        }
    };
    let mut changes = shared.changes.clone();
    let revision = *changes.borrow_and_update();
    let kind = node.kind();
    let view = shared.source.view(&kind);
    let former = shared.source.former(&kind);
    let registration = Registration::new(shared.proxies.clone(), shared.clock, &node, assignment(&view));
    let span = tracing::info_span!("ads", node = ?node.id, stream = registration.stream());
    let linger = u64::try_from(shared.options.linger.as_millis()).unwrap_or(u64::MAX);
    let session = Session {
        state: StreamState::new(linger, view, former),
        started: Instant::now(),
        shared,
        kind,
        registration,
        outbox,
        revision,
    };
    session.serve(first, inbound, changes).instrument(span).await;
}

/// The next request; none when the stream has ended or broken.
async fn next(inbound: &mut Streaming<DiscoveryRequest>) -> Option<DiscoveryRequest> {
    inbound.message().await.unwrap_or_else(|status| {
        tracing::debug!(%status, "the stream broke");
        None
    })
}

impl Session {
    async fn serve(
        mut self,
        first: DiscoveryRequest,
        mut inbound: Streaming<DiscoveryRequest>,
        mut changes: watch::Receiver<u64>,
    ) {
        tracing::info!(gateway = ?self.kind.gateway, "connected");
        let mut closing = self.shared.closing.subscribe();
        let mut step = self.request(first).await;
        while step.is_ok() {
            let deadline = self.deadline();
            step = tokio::select! {
                request = next(&mut inbound) => match request {
                    Some(request) => self.request(request).await,
                    None => Err(Ended),
                },
                revision = changed(&mut changes) => self.look(revision).await,
                () = at(deadline) => self.tick().await,
                () = self.outbox.closed() => Err(Ended),
                () = closed(&mut closing) => self.close(),
            };
        }
        tracing::info!("disconnected");
    }

    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn deadline(&self) -> Option<Instant> {
        let at = Duration::from_millis(self.state.deadline()?);
        self.started.checked_add(at)
    }

    async fn request(&mut self, request: DiscoveryRequest) -> Result<(), Ended> {
        let type_url = request.type_url.clone();
        let Some(request) = wire::request(request) else {
            tracing::warn!(type_url, "asks for a type that is not served");
            return Ok(());
        };
        let now = self.now();
        let out = self.state.request(&request, now);
        self.deliver(out).await
    }

    async fn look(&mut self, revision: u64) -> Result<(), Ended> {
        self.revision = revision;
        let view = self.shared.source.view(&self.kind);
        let now = self.now();
        let out = self.state.view(view, now);
        self.deliver(out).await
    }

    async fn tick(&mut self) -> Result<(), Ended> {
        let now = self.now();
        let out = self.state.tick(now);
        self.deliver(out).await
    }

    async fn deliver(&mut self, out: Vec<Output>) -> Result<(), Ended> {
        let mut closing = self.shared.closing.subscribe();
        for output in out {
            match output {
                Output::Record(record) => self.registration.record(record),
                Output::Respond(response) => tokio::select! {
                    sent = self.outbox.send(Ok(wire::response(response))) => sent.map_err(|_| Ended)?,
                    () = closed(&mut closing) => return self.close(),
                },
            }
        }
        if self.state.is_settled() {
            self.registration.settled(self.revision);
        }
        Ok(())
    }

    /// Tells the proxy to come back, to this server or another.
    fn close(&self) -> Result<(), Ended> {
        // When there is no room the proxy sees the end of the connection instead.
        let _ = self
            .outbox
            .try_send(Err(Status::unavailable("the control plane is shutting down")));
        Err(Ended)
    }
}

/// Never, once the source has no one left to speak of changes.
async fn changed(changes: &mut watch::Receiver<u64>) -> u64 {
    if changes.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
    *changes.borrow_and_update()
}

/// When the server is closing.
async fn closed(closing: &mut watch::Receiver<bool>) {
    if closing.wait_for(|closing| *closing).await.is_err() {
        std::future::pending::<()>().await;
    }
}

async fn at(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline).await,
        None => std::future::pending().await,
    }
}
