//! ADS over a real socket, with the generated client in the proxy's place.

use std::sync::Arc;

use envoy_types::pb::envoy::config::core::v3::Node;
use envoy_types::pb::envoy::service::discovery::v3::aggregated_discovery_service_client::AggregatedDiscoveryServiceClient;
use envoy_types::pb::envoy::service::discovery::v3::{
    DeltaDiscoveryRequest, DiscoveryRequest, DiscoveryResponse,
};
use envoy_types::pb::google::protobuf::Any;
use envoy_types::pb::google::rpc::Status as RpcStatus;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};
use weir_core::proxy::Assignment;
use weir_core::snapshot::ResourceType::{Cluster, Endpoint, ExtensionConfig, Listener};
use weir_core::snapshot::{Resource, ResourceType, Snapshot, View};

use crate::support::server::{Ads, PATIENCE, has_taken, of};

/// The proxy's side of one stream.
struct Proxy {
    requests: mpsc::Sender<DiscoveryRequest>,
    responses: Streaming<DiscoveryResponse>,
}

fn node(id: &str) -> Option<Node> {
    Some(Node {
        id: id.to_owned(),
        cluster: "default/edge".to_owned(),
        ..Node::default()
    })
}

impl Proxy {
    async fn connect(ads: &Ads) -> Self {
        let mut client = AggregatedDiscoveryServiceClient::connect(format!("http://{}", ads.address))
            .await
            .unwrap();
        let (requests, outgoing) = mpsc::channel(16);
        let responses = client
            .stream_aggregated_resources(ReceiverStream::new(outgoing))
            .await
            .unwrap();
        Self {
            requests,
            responses: responses.into_inner(),
        }
    }

    async fn send(&self, request: DiscoveryRequest) {
        self.requests
            .send(DiscoveryRequest {
                node: node("edge-1"),
                ..request
            })
            .await
            .unwrap();
    }

    async fn ask(&self, resource_type: ResourceType, names: &[&str]) {
        self.send(request(resource_type, names)).await;
    }

    async fn answer(&self, response: &DiscoveryResponse, names: &[&str]) {
        let resource_type = ResourceType::from_type_url(&response.type_url).unwrap();
        self.send(DiscoveryRequest {
            version_info: response.version_info.clone(),
            response_nonce: response.nonce.clone(),
            ..request(resource_type, names)
        })
        .await;
    }

    async fn refuse(&self, response: &DiscoveryResponse, names: &[&str], message: &str) {
        let resource_type = ResourceType::from_type_url(&response.type_url).unwrap();
        let error = RpcStatus {
            code: 13,
            message: message.to_owned(),
            ..RpcStatus::default()
        };
        self.send(DiscoveryRequest {
            response_nonce: response.nonce.clone(),
            error_detail: Some(error),
            ..request(resource_type, names)
        })
        .await;
    }

    async fn next(&mut self) -> Result<DiscoveryResponse, Status> {
        let next = tokio::time::timeout(PATIENCE, self.responses.message()).await;
        next.expect("no response")
            .map(|response| response.expect("the stream has ended"))
    }

    /// The next response, which is of this type and has these resources, as `name=content`.
    async fn expect(&mut self, resource_type: ResourceType, resources: &[&str]) -> DiscoveryResponse {
        let response = self.next().await.unwrap();
        let sent: Vec<_> = response
            .resources
            .iter()
            .map(|any| str::from_utf8(&any.value).unwrap())
            .collect();
        assert_eq!(
            (response.type_url.as_str(), sent.as_slice()),
            (resource_type.type_url(), resources)
        );
        response
    }
}

fn request(resource_type: ResourceType, names: &[&str]) -> DiscoveryRequest {
    DiscoveryRequest {
        type_url: resource_type.type_url().to_owned(),
        resource_names: names.iter().map(|&name| name.to_owned()).collect(),
        ..DiscoveryRequest::default()
    }
}

/// Resources as `name=content` with the clusters that they name.
fn snapshot(resources: &[(ResourceType, &str, &[&str])]) -> Arc<Snapshot> {
    let mut snapshot = Snapshot::default();
    for (resource_type, text, clusters) in resources {
        let (name, content) = text.split_once('=').unwrap();
        let body = Any {
            type_url: resource_type.type_url().to_owned(),
            value: text.as_bytes().to_vec(),
        };
        snapshot.insert(
            *resource_type,
            Resource {
                name: name.to_owned(),
                version: content.parse().unwrap(),
                body,
                again: None,
                clusters: clusters.iter().map(|&cluster| cluster.to_owned()).collect(),
            },
        );
    }
    Arc::new(snapshot)
}

fn shop(version: u64) -> View {
    let text = format!("shop={version}");
    View::Assigned(snapshot(&[
        (Cluster, &text, &[]),
        (Endpoint, "shop=1", &[]),
        (Listener, "http=1", &["shop"]),
    ]))
}

#[tokio::test]
async fn a_listener_waits_for_its_cluster() {
    let ads = Ads::start(shop(1)).await;
    let mut proxy = Proxy::connect(&ads).await;
    proxy.ask(Cluster, &[]).await;
    proxy.ask(Listener, &[]).await;
    let clusters = proxy.expect(Cluster, &["shop=1"]).await;
    proxy.ask(Endpoint, &["shop"]).await;
    let endpoints = proxy.expect(Endpoint, &["shop=1"]).await;
    proxy.answer(&endpoints, &["shop"]).await;
    proxy.answer(&clusters, &[]).await;
    let listeners = proxy.expect(Listener, &["http=1"]).await;
    proxy.answer(&listeners, &[]).await;
    let status = ads
        .status("has the listener", |s| {
            has_taken(s, Listener, &listeners.version_info)
        })
        .await;
    assert_eq!(
        (status.id.as_str(), status.assignment, status.connected),
        ("edge-1", Assignment::Assigned, true)
    );
    assert!(has_taken(&status, Cluster, &clusters.version_info));
    assert!(has_taken(&status, Endpoint, &endpoints.version_info));
    assert_eq!(of(&status, Cluster).sent_at_ms, Some(1_000));
}

#[tokio::test]
async fn endpoints_follow_a_changed_cluster_and_a_second_question() {
    let ads = Ads::start(shop(1)).await;
    let mut proxy = Proxy::connect(&ads).await;
    proxy.ask(Cluster, &[]).await;
    let clusters = proxy.expect(Cluster, &["shop=1"]).await;
    proxy.answer(&clusters, &[]).await;
    proxy.ask(Endpoint, &["shop"]).await;
    let endpoints = proxy.expect(Endpoint, &["shop=1"]).await;
    proxy.answer(&endpoints, &["shop"]).await;
    ads.set(shop(2));
    proxy.expect(Cluster, &["shop=2"]).await;
    let pushed = proxy.expect(Endpoint, &["shop=1"]).await;
    assert_ne!(pushed.nonce, endpoints.nonce);
    // What Envoy sends for the changed cluster looks like the answer to the response before.
    proxy.answer(&endpoints, &["shop"]).await;
    proxy.answer(&pushed, &["shop"]).await;
    // The same names and nonce once more: something new wants to hear the endpoints.
    proxy.answer(&pushed, &["shop"]).await;
    let repeated = proxy.expect(Endpoint, &["shop=1"]).await;
    assert_ne!(repeated.nonce, pushed.nonce);
}

#[tokio::test]
async fn a_refused_cluster_holds_up_only_what_names_it() {
    let ads = Ads::start(shop(1)).await;
    let mut proxy = Proxy::connect(&ads).await;
    proxy.ask(Cluster, &[]).await;
    let clusters = proxy.expect(Cluster, &["shop=1"]).await;
    proxy.answer(&clusters, &[]).await;
    proxy.ask(ExtensionConfig, &["a", "b"]).await;
    ads.set(View::Assigned(snapshot(&[
        (Cluster, "shop=1", &[]),
        (Cluster, "bad=1", &[]),
        (Cluster, "new=1", &[]),
        (ExtensionConfig, "a=1", &["bad", "shop"]),
        (ExtensionConfig, "b=1", &["new", "shop"]),
    ])));
    let clusters = proxy.expect(Cluster, &["bad=1", "new=1", "shop=1"]).await;
    let why = "Error adding/updating cluster(s) bad: minimum_ring_size (8) > maximum_ring_size (4)";
    proxy.refuse(&clusters, &[], why).await;
    proxy.expect(ExtensionConfig, &["b=1"]).await;
    let status = ads
        .status("refused a cluster", |s| of(s, Cluster).nack.is_some())
        .await;
    let nack = of(&status, Cluster).nack.unwrap();
    assert_eq!(
        (nack.message.as_str(), nack.resources.as_slice()),
        (why, ["bad".to_owned()].as_slice())
    );
    assert_eq!((nack.version, nack.at_ms), (clusters.version_info, 1_000));
    assert_eq!(ads.proxies.answers()[&("CDS", false)], 1);
}

#[tokio::test]
async fn a_proxy_whose_gateway_is_gone_is_sent_nothing() {
    let ads = Ads::start(View::Gone).await;
    let mut proxy = Proxy::connect(&ads).await;
    proxy.ask(Cluster, &[]).await;
    let gone = |status: &_| {
        matches!(
            status,
            weir_core::proxy::ProxyStatus {
                assignment: Assignment::GatewayGone,
                ..
            }
        )
    };
    ads.status("has lost its gateway", gone).await;
    ads.set(shop(1));
    // The first nonce of the stream: nothing went out before.
    assert_eq!(proxy.expect(Cluster, &["shop=1"]).await.nonce, "1");
    ads.status("is assigned", |s| s.assignment == Assignment::Assigned)
        .await;
}

#[tokio::test]
async fn an_unassigned_proxy_gets_what_is_for_everyone() {
    let ads = Ads::start(View::Unassigned(snapshot(&[(Cluster, "common=1", &[])]))).await;
    let mut proxy = Proxy::connect(&ads).await;
    proxy.ask(Cluster, &[]).await;
    proxy.expect(Cluster, &["common=1"]).await;
    proxy.ask(Listener, &[]).await;
    proxy.expect(Listener, &[]).await;
    ads.status("is unassigned", |s| s.assignment == Assignment::Unassigned)
        .await;
}

#[tokio::test]
async fn a_type_that_is_not_served_does_no_harm() {
    let ads = Ads::start(shop(1)).await;
    let mut proxy = Proxy::connect(&ads).await;
    let type_url = "type.googleapis.com/envoy.service.runtime.v3.Runtime".to_owned();
    proxy
        .send(DiscoveryRequest {
            type_url,
            ..DiscoveryRequest::default()
        })
        .await;
    proxy.ask(Cluster, &[]).await;
    proxy.expect(Cluster, &["shop=1"]).await;
}

#[tokio::test]
async fn a_proxy_that_comes_back_gets_everything_again() {
    let ads = Ads::start(shop(1)).await;
    let mut proxy = Proxy::connect(&ads).await;
    proxy.ask(Cluster, &[]).await;
    let clusters = proxy.expect(Cluster, &["shop=1"]).await;
    drop(proxy);
    ads.status("has gone", |s| !s.connected).await;
    let mut proxy = Proxy::connect(&ads).await;
    let version_info = clusters.version_info.clone();
    proxy
        .send(DiscoveryRequest {
            version_info,
            ..request(Cluster, &[])
        })
        .await;
    assert_eq!(
        proxy.expect(Cluster, &["shop=1"]).await.version_info,
        clusters.version_info
    );
    ads.status("is back", |s| s.connected).await;
}

#[tokio::test]
async fn a_stream_without_a_node_is_refused() {
    let ads = Ads::start(shop(1)).await;
    for (node, field) in [(None, "node:"), (node(""), "node.id:")] {
        let mut proxy = Proxy::connect(&ads).await;
        proxy
            .requests
            .send(DiscoveryRequest {
                node,
                ..request(Cluster, &[])
            })
            .await
            .unwrap();
        let status = proxy.next().await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().starts_with(field), "{status}");
    }
    assert_eq!(ads.proxies.list(), []);
}

#[tokio::test]
async fn delta_is_not_served() {
    let ads = Ads::start(shop(1)).await;
    let mut client = AggregatedDiscoveryServiceClient::connect(format!("http://{}", ads.address))
        .await
        .unwrap();
    let answer = client
        .delta_aggregated_resources(tokio_stream::iter([DeltaDiscoveryRequest::default()]))
        .await;
    assert_eq!(answer.unwrap_err().code(), Code::Unimplemented);
}

#[tokio::test]
async fn streams_end_when_the_server_stops() {
    let ads = Ads::start(shop(1)).await;
    let mut proxy = Proxy::connect(&ads).await;
    proxy.ask(Cluster, &[]).await;
    proxy.expect(Cluster, &["shop=1"]).await;
    let proxies = ads.proxies.clone();
    ads.stop().await;
    assert_eq!(proxy.next().await.unwrap_err().code(), Code::Unavailable);
    assert!(proxies.list().iter().all(|status| !status.connected));
}
