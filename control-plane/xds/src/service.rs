//! The gRPC service: one task per stream, each driving a [`StreamState`](crate::stream::StreamState).

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
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};
use weir_core::proxy::Proxies;
use weir_core::snapshot::SnapshotSource;

use crate::session::Session;

/// Responses that wait for a slow proxy; past that its stream makes no new ones, and the newest view counts.
const QUEUE: usize = 16;
/// A full set of clusters is one message.
const MAX_MESSAGE: usize = 64 << 20;
/// How often a quiet connection is asked whether it is alive, and how long it has for an answer.
const KEEPALIVE: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(10));

/// How streams are served.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How long a cluster stays after nothing names it any more, so that requests under way end.
    pub linger: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            linger: Duration::from_secs(5),
        }
    }
}

/// Aggregated discovery over a source of snapshots.
#[derive(Clone)]
pub struct AdsService {
    pub(crate) source: Arc<dyn SnapshotSource>,
    pub(crate) changes: watch::Receiver<u64>,
    pub(crate) proxies: Arc<Proxies>,
    pub(crate) clock: fn() -> u64,
    pub(crate) options: Options,
}

impl AdsService {
    /// `changes` is bumped after each change of the source; `clock` gives Unix ms.
    pub fn new(
        source: Arc<dyn SnapshotSource>,
        changes: watch::Receiver<u64>,
        proxies: Arc<Proxies>,
        clock: fn() -> u64,
        options: Options,
    ) -> Self {
        Self {
            source,
            changes,
            proxies,
            clock,
            options,
        }
    }

    /// The service for a tonic server of the caller's.
    pub fn into_server(self) -> AggregatedDiscoveryServiceServer<Self> {
        AggregatedDiscoveryServiceServer::new(self)
            .max_decoding_message_size(MAX_MESSAGE)
            .max_encoding_message_size(MAX_MESSAGE)
    }

    /// Serves until `stop` is done.
    ///
    /// # Errors
    /// What tonic says of the listener.
    pub async fn serve(
        self,
        listener: TcpListener,
        stop: impl Future<Output = ()>,
    ) -> Result<(), tonic::transport::Error> {
        let (interval, timeout) = KEEPALIVE;
        let mut server = Server::builder()
            .tcp_nodelay(true)
            .http2_keepalive_interval(Some(interval))
            .http2_keepalive_timeout(Some(timeout));
        let connections = TcpListenerStream::new(listener);
        let serving = server
            .add_service(self.into_server())
            .serve_with_incoming(connections);
        tokio::select! {
            // Streams are endless: there is nothing to wait for, and proxies reconnect.
            () = stop => Ok(()),
            ended = serving => ended,
        }
    }
}

type Stream<T> = ReceiverStream<Result<T, Status>>;

#[tonic::async_trait]
impl AggregatedDiscoveryService for AdsService {
    type StreamAggregatedResourcesStream = Stream<DiscoveryResponse>;
    type DeltaAggregatedResourcesStream = Stream<DeltaDiscoveryResponse>;

    async fn stream_aggregated_resources(
        &self,
        request: Request<Streaming<DiscoveryRequest>>,
    ) -> Result<Response<Self::StreamAggregatedResourcesStream>, Status> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let service = self.clone();
        tokio::spawn(async move {
            if let Err(status) = Session::run(service, request.into_inner(), sender.clone()).await {
                // A proxy that is gone needs no reason.
                let _ = sender.send(Err(status)).await;
            }
        });
        Ok(Response::new(ReceiverStream::new(receiver)))
    }

    async fn delta_aggregated_resources(
        &self,
        _request: Request<Streaming<DeltaDiscoveryRequest>>,
    ) -> Result<Response<Self::DeltaAggregatedResourcesStream>, Status> {
        Err(Status::unimplemented(
            "incremental xDS is not offered: use api_type: GRPC",
        ))
    }
}
