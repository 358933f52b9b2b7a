//! Real resources: a listener with a static route to a cluster whose endpoints come by EDS.

use std::net::SocketAddr;
use std::time::Duration;

use envoy_types::pb::envoy::config::cluster::v3 as cluster;
use envoy_types::pb::envoy::config::core::v3 as core;
use envoy_types::pb::envoy::config::endpoint::v3 as endpoint;
use envoy_types::pb::envoy::config::listener::v3 as listener;
use envoy_types::pb::envoy::config::route::v3 as route;
use envoy_types::pb::envoy::extensions::filters::http::router::v3::Router;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3 as hcm;
use envoy_types::pb::google::protobuf::{Any, Duration as ProtoDuration, UInt64Value};
use prost::{Message, Name};
use weir_core::snapshot::Resource;

fn any<M: Message + Name>(message: &M) -> Any {
    Any {
        type_url: format!("type.googleapis.com/{}", M::full_name()),
        value: message.encode_to_vec(),
    }
}

/// The version is a checksum of the content.
fn resource<M: Message + Name>(name: &str, clusters: &[&str], message: &M) -> Resource {
    let body = any(message);
    let version = body.value.iter().fold(0_u64, |sum, byte| {
        sum.wrapping_mul(31).wrapping_add(u64::from(*byte))
    });
    let clusters = clusters.iter().map(|&cluster| cluster.to_owned()).collect();
    Resource {
        name: name.to_owned(),
        version,
        body,
        again: None,
        clusters,
    }
}

fn socket(address: SocketAddr) -> core::Address {
    let socket = core::SocketAddress {
        address: address.ip().to_string(),
        port_specifier: Some(core::socket_address::PortSpecifier::PortValue(
            address.port().into(),
        )),
        ..core::SocketAddress::default()
    };
    core::Address {
        address: Some(core::address::Address::SocketAddress(socket)),
    }
}

/// Envoy waits for endpoints for ever, so that a server that doesn't send them is found out.
fn by_ads() -> core::ConfigSource {
    let ads = core::config_source::ConfigSourceSpecifier::Ads(core::AggregatedConfigSource {});
    core::ConfigSource {
        initial_fetch_timeout: Some(ProtoDuration { seconds: 0, nanos: 0 }),
        resource_api_version: core::ApiVersion::V3.into(),
        config_source_specifier: Some(ads),
        ..core::ConfigSource::default()
    }
}

fn eds_cluster(name: &str, connect_timeout: ProtoDuration) -> cluster::Cluster {
    let eds = cluster::cluster::DiscoveryType::Eds.into();
    cluster::Cluster {
        name: name.to_owned(),
        connect_timeout: Some(connect_timeout),
        cluster_discovery_type: Some(cluster::cluster::ClusterDiscoveryType::Type(eds)),
        eds_cluster_config: Some(cluster::cluster::EdsClusterConfig {
            eds_config: Some(by_ads()),
            ..cluster::cluster::EdsClusterConfig::default()
        }),
        ..cluster::Cluster::default()
    }
}

pub(crate) fn cluster(name: &str, connect_timeout: Duration) -> Resource {
    let seconds = i64::try_from(connect_timeout.as_secs()).unwrap();
    resource(name, &[], &eds_cluster(name, ProtoDuration { seconds, nanos: 0 }))
}

/// Envoy refuses the cluster alone: it doesn't know where the endpoints come from.
pub(crate) fn cluster_without_source(name: &str) -> Resource {
    let timeout = ProtoDuration { seconds: 1, nanos: 0 };
    let cluster = cluster::Cluster {
        eds_cluster_config: None,
        ..eds_cluster(name, timeout)
    };
    resource(name, &[], &cluster)
}

/// Envoy refuses the cluster alone, but counts it among those that warm up (1.40), so that it holds its answers to CDS
/// back until the cluster goes.
pub(crate) fn cluster_with_bad_ring(name: &str) -> Resource {
    use cluster::cluster::{LbConfig, LbPolicy, RingHashLbConfig};
    let ring = RingHashLbConfig {
        minimum_ring_size: Some(UInt64Value { value: 8 }),
        maximum_ring_size: Some(UInt64Value { value: 4 }),
        ..RingHashLbConfig::default()
    };
    let timeout = ProtoDuration { seconds: 1, nanos: 0 };
    let cluster = cluster::Cluster {
        lb_policy: LbPolicy::RingHash.into(),
        lb_config: Some(LbConfig::RingHashLbConfig(ring)),
        ..eds_cluster(name, timeout)
    };
    resource(name, &[], &cluster)
}

/// Envoy refuses the whole response, since the message breaks its rules, and prints the message.
pub(crate) fn cluster_with_unknown_policy(name: &str) -> Resource {
    let timeout = ProtoDuration { seconds: 1, nanos: 0 };
    let cluster = cluster::Cluster {
        lb_policy: 99,
        ..eds_cluster(name, timeout)
    };
    resource(name, &[], &cluster)
}

/// Envoy refuses the whole response, and doesn't say which cluster is to blame.
pub(crate) fn cluster_with_bad_timeout(name: &str) -> Resource {
    let timeout = ProtoDuration {
        seconds: -1,
        nanos: 0,
    };
    resource(name, &[], &eds_cluster(name, timeout))
}

pub(crate) fn endpoints(name: &str, address: SocketAddr) -> Resource {
    use endpoint::lb_endpoint::HostIdentifier;
    let host = endpoint::Endpoint {
        address: Some(socket(address)),
        ..endpoint::Endpoint::default()
    };
    let endpoint = endpoint::LbEndpoint {
        host_identifier: Some(HostIdentifier::Endpoint(host)),
        ..endpoint::LbEndpoint::default()
    };
    let locality = endpoint::LocalityLbEndpoints {
        lb_endpoints: vec![endpoint],
        ..endpoint::LocalityLbEndpoints::default()
    };
    let assignment = endpoint::ClusterLoadAssignment {
        cluster_name: name.to_owned(),
        endpoints: vec![locality],
        ..endpoint::ClusterLoadAssignment::default()
    };
    resource(name, &[], &assignment)
}

fn routes(cluster: &str) -> route::RouteConfiguration {
    use route::route::Action;
    use route::route_action::ClusterSpecifier;
    use route::route_match::PathSpecifier;
    let action = route::RouteAction {
        cluster_specifier: Some(ClusterSpecifier::Cluster(cluster.to_owned())),
        ..route::RouteAction::default()
    };
    let all = route::RouteMatch {
        path_specifier: Some(PathSpecifier::Prefix("/".to_owned())),
        ..route::RouteMatch::default()
    };
    let route = route::Route {
        r#match: Some(all),
        action: Some(Action::Route(action)),
        ..route::Route::default()
    };
    let host = route::VirtualHost {
        name: "all".to_owned(),
        domains: vec!["*".to_owned()],
        routes: vec![route],
        ..route::VirtualHost::default()
    };
    route::RouteConfiguration {
        name: "static".to_owned(),
        virtual_hosts: vec![host],
        ..Default::default()
    }
}

/// A listener on a free loopback port that routes everything to a cluster.
pub(crate) fn listener(name: &str, cluster: &str) -> Resource {
    let router = hcm::HttpFilter {
        name: "router".to_owned(),
        config_type: Some(hcm::http_filter::ConfigType::TypedConfig(any(&Router::default()))),
        ..hcm::HttpFilter::default()
    };
    let manager = hcm::HttpConnectionManager {
        stat_prefix: "http".to_owned(),
        http_filters: vec![router],
        route_specifier: Some(hcm::http_connection_manager::RouteSpecifier::RouteConfig(routes(
            cluster,
        ))),
        ..hcm::HttpConnectionManager::default()
    };
    let filter = listener::Filter {
        name: "http".to_owned(),
        config_type: Some(listener::filter::ConfigType::TypedConfig(any(&manager))),
    };
    let message = listener::Listener {
        name: name.to_owned(),
        address: Some(socket(([127, 0, 0, 1], 0).into())),
        filter_chains: vec![listener::FilterChain {
            filters: vec![filter],
            ..Default::default()
        }],
        ..listener::Listener::default()
    };
    resource(name, &[cluster], &message)
}
