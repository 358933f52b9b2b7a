//! One proxy's stream from its first request to its end.

use std::time::Duration;

use envoy_types::pb::envoy::service::discovery::v3::{DiscoveryRequest, DiscoveryResponse};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tonic::{Status, Streaming};
use weir_core::node::{Node, NodeKind};
use weir_core::proxy::{Nack, ProxyStatus, StreamId};
use weir_core::snapshot::ResourceType;

use crate::identity;
use crate::service::AdsService;
use crate::stream::{Output, Record, Request, Response, StreamState, assignment};

/// A stream with nothing due looks again after this long; nothing depends on it.
const IDLE: Duration = Duration::from_secs(3_600);

type Sender = mpsc::Sender<Result<DiscoveryResponse, Status>>;

pub(crate) struct Session {
    service: AdsService,
    sender: Sender,
    node: Node,
    kind: NodeKind,
    id: StreamId,
    started: Instant,
    state: StreamState,
}

impl Session {
    /// Serves one stream. An error ends it with a reason for the proxy; `Ok` means that the proxy ended it.
    pub(crate) async fn run(
        service: AdsService,
        mut requests: Streaming<DiscoveryRequest>,
        sender: Sender,
    ) -> Result<(), Status> {
        let Some(first) = requests.message().await? else {
            return Ok(());
        };
        let mut session = Self::open(service, &first, sender)?;
        let ended = session.serve(first, &mut requests).await;
        session.close(&ended);
        ended
    }

    fn open(mut service: AdsService, first: &DiscoveryRequest, sender: Sender) -> Result<Self, Status> {
        let node = identity::node(first)?;
        let kind = node.kind();
        service.changes.mark_unchanged();
        let view = service.source.view(&kind);
        let now_ms = (service.clock)();
        let id = service.proxies.connected(ProxyStatus {
            id: node.id.clone(),
            cluster: node.cluster.clone(),
            version: node.version.clone(),
            assignment: assignment(&view),
            connected: true,
            since_ms: now_ms,
            types: std::collections::BTreeMap::new(),
        });
        tracing::info!(node = node.id, gateway = node.cluster, "proxy connected");
        let linger = u64::try_from(service.options.linger.as_millis()).unwrap_or(u64::MAX);
        let state = StreamState::new(linger, view);
        Ok(Self {
            service,
            sender,
            node,
            kind,
            id,
            started: Instant::now(),
            state,
        })
    }

    async fn serve(
        &mut self,
        first: DiscoveryRequest,
        requests: &mut Streaming<DiscoveryRequest>,
    ) -> Result<(), Status> {
        let outputs = self.request(first);
        self.put_out(outputs).await?;
        loop {
            let due = self.due();
            let outputs = tokio::select! {
                request = requests.message() => match request? {
                    Some(request) => self.request(request),
                    None => return Ok(()),
                },
                changed = self.service.changes.changed() => {
                    changed.map_err(|_| Status::unavailable("the control plane is ending"))?;
                    let view = self.service.source.view(&self.kind);
                    self.state.view(view, self.now())
                },
                () = sleep_until(due) => self.state.tick(self.now()),
            };
            self.put_out(outputs).await?;
        }
    }

    fn request(&mut self, request: DiscoveryRequest) -> Vec<Output> {
        let Some(resource_type) = ResourceType::from_type_url(&request.type_url) else {
            tracing::warn!(
                node = self.node.id,
                type_url = request.type_url,
                "a type that is not served"
            );
            return Vec::new();
        };
        let error = request.error_detail.map(|status| status.message);
        if let Some(message) = &error {
            tracing::warn!(
                node = self.node.id,
                service = resource_type.service(),
                message,
                "refused by the proxy"
            );
        }
        let request = Request {
            resource_type,
            names: request.resource_names,
            version: request.version_info,
            nonce: request.response_nonce,
            error,
        };
        let now = self.now();
        self.state.request(&request, now)
    }

    async fn put_out(&self, outputs: Vec<Output>) -> Result<(), Status> {
        for output in outputs {
            match output {
                Output::Record(record) => self.record(record),
                Output::Respond(response) => {
                    let message = encode(response);
                    self.sender
                        .send(Ok(message))
                        .await
                        .map_err(|_| Status::cancelled("the proxy is gone"))?;
                }
            }
        }
        Ok(())
    }

    fn record(&self, record: Record) {
        let (proxies, id, now_ms) = (&self.service.proxies, &self.node.id, (self.service.clock)());
        match record {
            Record::Assigned(assignment) => proxies.assigned(id, self.id, assignment),
            Record::Sent {
                resource_type,
                version,
            } => proxies.sent(id, self.id, resource_type, &version, now_ms),
            Record::Acked {
                resource_type,
                version,
            } => proxies.acked(id, self.id, resource_type, &version, now_ms),
            Record::Nacked {
                resource_type,
                version,
                message,
                resources,
            } => {
                let nack = Nack {
                    version,
                    message,
                    resources,
                    at_ms: now_ms,
                };
                proxies.nacked(id, self.id, resource_type, nack);
            }
        }
    }

    /// Milliseconds since the start of the stream.
    fn now(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn due(&self) -> Instant {
        match self.state.deadline() {
            Some(deadline) => self.started + Duration::from_millis(deadline),
            None => Instant::now() + IDLE,
        }
    }

    fn close(&self, ended: &Result<(), Status>) {
        self.service
            .proxies
            .disconnected(&self.node.id, self.id, (self.service.clock)());
        let reason = ended.as_ref().err().map(Status::message).unwrap_or_default();
        tracing::info!(node = self.node.id, reason, "proxy disconnected");
    }
}

fn encode(response: Response) -> DiscoveryResponse {
    DiscoveryResponse {
        version_info: response.version,
        nonce: response.nonce,
        type_url: response.resource_type.type_url().to_owned(),
        resources: response
            .resources
            .iter()
            .map(|resource| resource.body.clone())
            .collect(),
        ..DiscoveryResponse::default()
    }
}
