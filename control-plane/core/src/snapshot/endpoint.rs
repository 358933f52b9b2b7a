//! Endpoints of a cluster, by priority.

use envoy_types::pb::envoy::config::core::v3::address::Address as AddressKind;
use envoy_types::pb::envoy::config::core::v3::socket_address::PortSpecifier;
use envoy_types::pb::envoy::config::core::v3::{Address, SocketAddress};
use envoy_types::pb::envoy::config::endpoint::v3::lb_endpoint::HostIdentifier;
use envoy_types::pb::envoy::config::endpoint::v3::{
    ClusterLoadAssignment, Endpoint, LbEndpoint, LocalityLbEndpoints,
};
use weir_policy::document::backend::{BackendSpec, Endpoint as EndpointSpec, Role};

use super::Resource;
use crate::cluster_name::ClusterRole;

/// A shard's endpoints. Read: replicas at priority 0, the primary at 1. Write: the primary only.
pub(super) fn of_shard(cluster: &str, backend: &BackendSpec, role: ClusterRole) -> Resource {
    let (primaries, replicas): (Vec<_>, Vec<_>) = backend
        .endpoints
        .iter()
        .partition(|endpoint| endpoint.role == Role::Primary);
    match role {
        ClusterRole::Read => assignment(cluster, &[replicas, primaries]),
        ClusterRole::Write => assignment(cluster, &[primaries]),
    }
}

/// All endpoints of a Backend, alike.
pub(super) fn of_backend(cluster: &str, backend: &BackendSpec) -> Resource {
    assignment(cluster, &[backend.endpoints.iter().collect()])
}

/// One endpoint of a cluster that has no others.
pub(super) fn fixed(cluster: &str, ip: &str, port: u16) -> ClusterLoadAssignment {
    let locality = LocalityLbEndpoints {
        lb_endpoints: vec![lb_endpoint_at(ip, port)],
        ..LocalityLbEndpoints::default()
    };
    ClusterLoadAssignment {
        cluster_name: cluster.to_owned(),
        endpoints: vec![locality],
        ..ClusterLoadAssignment::default()
    }
}

/// Envoy wants priorities without gaps, so groups without endpoints don't count.
fn assignment(cluster: &str, groups: &[Vec<&EndpointSpec>]) -> Resource {
    let groups = groups.iter().filter(|group| !group.is_empty());
    let message = ClusterLoadAssignment {
        cluster_name: cluster.to_owned(),
        endpoints: (0..)
            .zip(groups)
            .map(|(priority, group)| locality(priority, group))
            .collect(),
        ..ClusterLoadAssignment::default()
    };
    Resource::encoded(cluster, &message)
}

fn locality(priority: u32, endpoints: &[&EndpointSpec]) -> LocalityLbEndpoints {
    LocalityLbEndpoints {
        priority,
        lb_endpoints: endpoints.iter().map(|endpoint| lb_endpoint(endpoint)).collect(),
        ..LocalityLbEndpoints::default()
    }
}

fn lb_endpoint(endpoint: &EndpointSpec) -> LbEndpoint {
    lb_endpoint_at(&endpoint.address.to_string(), endpoint.port)
}

fn lb_endpoint_at(ip: &str, port: u16) -> LbEndpoint {
    let endpoint = Endpoint {
        address: Some(address(ip, port)),
        ..Endpoint::default()
    };
    LbEndpoint {
        host_identifier: Some(HostIdentifier::Endpoint(endpoint)),
        ..LbEndpoint::default()
    }
}

/// A TCP address.
pub(super) fn address(ip: &str, port: u16) -> Address {
    let socket = SocketAddress {
        address: ip.to_owned(),
        port_specifier: Some(PortSpecifier::PortValue(port.into())),
        ..SocketAddress::default()
    };
    Address {
        address: Some(AddressKind::SocketAddress(socket)),
    }
}
