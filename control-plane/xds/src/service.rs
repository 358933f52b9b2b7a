//! The ADS server.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_server::{
    AggregatedDiscoveryService, AggregatedDiscoveryServiceServer,
};
use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DeltaDiscoveryResponse, DiscoveryRequest, DiscoveryResponse,
};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};
use weir_core::proxy::Proxies;
use weir_core::snapshot::SnapshotSource;

use crate::options::Options;
use crate::registration::Clock;
use crate::session;

/// Responses that wait for a proxy to read them, per stream.
const OUTBOX: usize = 16;

/// How long connections have to close when the server does.
const GRACE: Duration = Duration::from_secs(1);

/// What all streams share.
pub(crate) struct Shared {
    pub(crate) source: Arc<dyn SnapshotSource>,
    pub(crate) changes: watch::Receiver<u64>,
    pub(crate) proxies: Arc<Proxies>,
    pub(crate) clock: Clock,
    pub(crate) options: Options,
    pub(crate) closing: watch::Sender<bool>,
}

/// ADS over gRPC, state of the world. A clone is the same service.
#[derive(Clone)]
pub struct AdsService {
    shared: Arc<Shared>,
}

impl AdsService {
    /// Serves what `source` has for each kind of node, and looks again whenever `changes` changes. What proxies take
    /// and refuse goes to `proxies`, with instants of `clock`, Unix ms.
    pub fn new(
        source: Arc<dyn SnapshotSource>,
        changes: watch::Receiver<u64>,
        proxies: Arc<Proxies>,
        clock: Clock,
        options: Options,
    ) -> Self {
        let shared = Shared {
            source,
            changes,
            proxies,
            clock,
            options,
            closing: watch::Sender::new(false),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// For a tonic server of the caller's.
    pub fn into_server(self) -> AggregatedDiscoveryServiceServer<Self> {
        let max = self.shared.options.max_message_bytes;
        AggregatedDiscoveryServiceServer::new(self)
            .max_decoding_message_size(max)
            .max_encoding_message_size(max)
    }

    /// Ends every stream, now and from now on, with `UNAVAILABLE`: proxies keep what they have and come back.
    pub fn close(&self) {
        self.shared.closing.send_replace(true);
    }

    /// Serves until `shutdown` completes, then closes the streams, and returns when the connections are closed or have
    /// had a second for it.
    ///
    /// # Errors
    /// When the listener breaks.
    pub async fn serve(
        self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()>,
    ) -> Result<(), tonic::transport::Error> {
        let service = self.clone();
        let mut closing = self.shared.closing.subscribe();
        let options = &self.shared.options;
        let mut server = Server::builder()
            .http2_keepalive_interval(Some(options.keepalive_interval))
            .http2_keepalive_timeout(Some(options.keepalive_timeout));
        let connections = TcpIncoming::from(listener).with_nodelay(Some(true));
        let serving = server
            .add_service(self.into_server())
            .serve_with_incoming_shutdown(connections, async move {
                shutdown.await;
                service.close();
            });
        let overdue = async {
            let _ = closing.wait_for(|closing| *closing).await;
            tokio::time::sleep(GRACE).await;
        };
        tokio::select! {
            served = serving => served,
            () = overdue => Ok(()),
        }
    }
}

#[tonic::async_trait]
impl AggregatedDiscoveryService for AdsService {
    type StreamAggregatedResourcesStream = ReceiverStream<Result<DiscoveryResponse, Status>>;
    type DeltaAggregatedResourcesStream = tokio_stream::Empty<Result<DeltaDiscoveryResponse, Status>>;

    async fn stream_aggregated_resources(
        &self,
        request: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamAggregatedResourcesStream>, Status> {
        let (outbox, responses) = mpsc::channel(OUTBOX);
        tokio::spawn(session::run(self.shared.clone(), request.into_inner(), outbox));
        Ok(Response::new(ReceiverStream::new(responses)))
    }

    async fn delta_aggregated_resources(
        &self,
        _: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaAggregatedResourcesStream>, Status> {
        Err(Status::unimplemented(
            "delta ADS is not served; expected ads_config.api_type GRPC",
        ))
    }
}
