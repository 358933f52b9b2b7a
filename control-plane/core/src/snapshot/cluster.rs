//! Clusters: connections, health checks and limits of a Backend.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use envoy_types::pb::envoy::config::cluster::v3::circuit_breakers::Thresholds;
use envoy_types::pb::envoy::config::cluster::v3::circuit_breakers::thresholds::RetryBudget;
use envoy_types::pb::envoy::config::cluster::v3::cluster::{
    ClusterDiscoveryType, DiscoveryType, EdsClusterConfig, LbPolicy,
};
use envoy_types::pb::envoy::config::cluster::v3::{CircuitBreakers, Cluster, OutlierDetection};
use envoy_types::pb::envoy::config::core::v3::health_check::{HealthChecker, HttpHealthCheck};
use envoy_types::pb::envoy::config::core::v3::{HealthCheck, Http1ProtocolOptions, Http2ProtocolOptions};
use envoy_types::pb::envoy::extensions::upstreams::http::v3::HttpProtocolOptions;
use envoy_types::pb::envoy::extensions::upstreams::http::v3::http_protocol_options::explicit_http_config::ProtocolConfig;
use envoy_types::pb::envoy::extensions::upstreams::http::v3::http_protocol_options::{
    ExplicitHttpConfig, UpstreamProtocolOptions,
};
use envoy_types::pb::envoy::r#type::v3::{CodecClientType, Percent};
use envoy_types::pb::google::protobuf::Any;
use weir_policy::document::backend::{BackendSpec, ConnectionPool, HealthCheck as HealthCheckSpec, Protocol};
use weir_policy::document::gateway::Listener;
use weir_policy::quantity::Duration;

use super::encode::{any, duration, number};
use super::source::ads;
use super::{Resource, endpoint};
use crate::hedge::Hedging;

/// The part of requests under way that may be second tries, parts per million, unless a policy allows more: Envoy's own default.
const RETRY_BUDGET_PPM: u32 = 200_000;
const HTTP_PROTOCOL_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/// The cluster of a Backend; its endpoints come by EDS under the same name.
pub(super) fn cluster(name: &str, spec: &BackendSpec, hedging: Option<Hedging>) -> Resource {
    let message = Cluster {
        name: name.to_owned(),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(DiscoveryType::Eds.into())),
        eds_cluster_config: Some(EdsClusterConfig {
            eds_config: Some(ads()),
            service_name: String::new(),
        }),
        lb_policy: LbPolicy::LeastRequest.into(),
        connect_timeout: duration(spec.connect_timeout),
        circuit_breakers: Some(circuit_breakers(&spec.connection_pool, hedging)),
        health_checks: spec
            .health_check
            .iter()
            .map(|check| health_check(check, spec.protocol))
            .collect(),
        outlier_detection: outlier_detection(spec, hedging),
        ignore_health_on_host_removal: true,
        typed_extension_protocol_options: HashMap::from([(
            HTTP_PROTOCOL_OPTIONS.to_owned(),
            protocol_options(spec.protocol),
        )]),
        ..Cluster::default()
    };
    Resource::encoded(name, &message)
}

/// The cluster of a proxy's own listener.
pub(super) fn own_cluster(name: &str, listener: &Listener) -> Resource {
    let address = match listener.address {
        any if !any.is_unspecified() => any,
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
    };
    let message = Cluster {
        name: name.to_owned(),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(DiscoveryType::Static.into())),
        load_assignment: Some(endpoint::fixed(name, &address.to_string(), listener.port)),
        connect_timeout: duration(Duration::from_secs(1)),
        ..Cluster::default()
    };
    Resource::encoded(name, &message)
}

fn circuit_breakers(pool: &ConnectionPool, hedging: Option<Hedging>) -> CircuitBreakers {
    let thresholds = Thresholds {
        max_connections: number(pool.max_connections),
        max_pending_requests: number(pool.max_pending_requests),
        max_requests: number(pool.max_requests),
        max_retries: number(pool.max_retries),
        retry_budget: hedging.map(|hedging| retry_budget(pool, hedging)),
        ..Thresholds::default()
    };
    CircuitBreakers {
        thresholds: vec![thresholds],
        ..CircuitBreakers::default()
    }
}

/// What stops second tries if the filter, which counts them, should fail to: at most this part of the requests under way at
/// once, and not fewer than the Backend allows anyway. In place of `max_retries`, which is right at one load only.
fn retry_budget(pool: &ConnectionPool, hedging: Hedging) -> RetryBudget {
    RetryBudget {
        budget_percent: Some(Percent {
            value: f64::from(hedging.largest_ppm.max(RETRY_BUDGET_PPM)) / 10_000.0,
        }),
        min_retry_concurrency: number(pool.max_retries),
        ..RetryBudget::default()
    }
}

/// The intervals without traffic are the same as with: a shard that is asked rarely is still known to be down.
fn health_check(spec: &HealthCheckSpec, protocol: Protocol) -> HealthCheck {
    let client = match protocol {
        Protocol::Http1 => CodecClientType::Http1,
        Protocol::Http2 => CodecClientType::Http2,
    };
    let http = HttpHealthCheck {
        path: spec.path.clone(),
        codec_client_type: client.into(),
        ..HttpHealthCheck::default()
    };
    HealthCheck {
        timeout: duration(spec.timeout),
        interval: duration(spec.interval),
        no_traffic_interval: duration(spec.interval),
        no_traffic_healthy_interval: duration(spec.interval),
        healthy_threshold: number(spec.healthy_threshold),
        unhealthy_threshold: number(spec.unhealthy_threshold),
        health_checker: Some(HealthChecker::HttpHealthCheck(http)),
        ..HealthCheck::default()
    }
}

/// A try that has got a second one beside it counts as a timeout, which says nothing of its endpoint. Where there are such,
/// what an endpoint answers is told apart from what becomes of tries, and only the first ejects.
fn outlier_detection(spec: &BackendSpec, hedging: Option<Hedging>) -> Option<OutlierDetection> {
    let outlier = spec.outlier_detection.as_ref()?;
    Some(OutlierDetection {
        consecutive_5xx: number(outlier.consecutive_5xx),
        interval: duration(outlier.interval),
        base_ejection_time: duration(outlier.base_ejection_time),
        max_ejection_percent: number(outlier.max_ejection_percent),
        split_external_local_origin_errors: hedging.is_some(),
        enforcing_consecutive_local_origin_failure: hedging.and_then(|_| number(0)),
        enforcing_local_origin_success_rate: hedging.and_then(|_| number(0)),
        ..OutlierDetection::default()
    })
}

fn protocol_options(protocol: Protocol) -> Any {
    let protocol_config = match protocol {
        Protocol::Http1 => ProtocolConfig::HttpProtocolOptions(Http1ProtocolOptions::default()),
        Protocol::Http2 => ProtocolConfig::Http2ProtocolOptions(Http2ProtocolOptions::default()),
    };
    let explicit = ExplicitHttpConfig {
        protocol_config: Some(protocol_config),
    };
    any(&HttpProtocolOptions {
        upstream_protocol_options: Some(UpstreamProtocolOptions::ExplicitHttpConfig(explicit)),
        ..HttpProtocolOptions::default()
    })
}
