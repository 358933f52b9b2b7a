//! Listeners: one per port of a Gateway, with the filters' slots in its chain.

use envoy_types::pb::envoy::config::core::v3::{ExtensionConfigSource, TypedExtensionConfig};
use envoy_types::pb::envoy::config::listener::v3::filter::ConfigType;
use envoy_types::pb::envoy::config::listener::v3::{Filter, FilterChain, Listener};
use envoy_types::pb::envoy::extensions::filters::http::router::v3::Router;
use envoy_types::pb::envoy::extensions::filters::http::wasm::v3::Wasm;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::http_connection_manager::RouteSpecifier;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::http_connection_manager::UpgradeConfig;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::http_filter::ConfigType as HttpConfigType;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::{
    HttpConnectionManager, HttpFilter, Rds,
};
use envoy_types::pb::envoy::extensions::http::early_header_mutation::header_mutation::v3::HeaderMutation;
use prost::Name;
use weir_policy::document::gateway::Listener as ListenerSpec;
use weir_policy::document::jwt::JwtSpec;
use weir_policy::quantity::Duration;

use super::Resource;
use super::encode::{any, boolean, duration, number};
use super::endpoint::address;
use super::header::removal;
use super::jwt;
use super::source::ads;
use crate::node::GatewayRef;
use crate::slot::{filters, slot_name};

/// What filters and proxies trust one another with; nobody else may set it. Backends that make variables of header names
/// read the second like the first.
pub const INTERNAL_HEADER_PREFIXES: [&str; 2] = ["x-weir-", "x_weir_"];

/// The name of a port's listener, and of its route table.
pub(super) fn listener_name(gateway: &GatewayRef, port: u16) -> String {
    format!("weir/{}/{}/{port}", gateway.namespace, gateway.name)
}

pub(super) fn listener(gateway: &GatewayRef, spec: &ListenerSpec, jwt: Option<&JwtSpec>) -> Resource {
    let name = listener_name(gateway, spec.port);
    let filter = Filter {
        name: "envoy.filters.network.http_connection_manager".to_owned(),
        config_type: Some(ConfigType::TypedConfig(any(&connection_manager(
            gateway, &name, jwt,
        )))),
    };
    let message = Listener {
        name: name.clone(),
        address: Some(address(&spec.address.to_string(), spec.port)),
        filter_chains: vec![FilterChain {
            filters: vec![filter],
            ..FilterChain::default()
        }],
        per_connection_buffer_limit_bytes: number(1 << 20),
        ..Listener::default()
    };
    let clusters = jwt.map(|jwt| jwt::clusters(gateway, jwt));
    Resource::encoded(&name, &message).with_clusters(clusters.unwrap_or_default())
}

/// Envoy's settings for the edge, where they don't depend on a policy.
fn connection_manager(
    gateway: &GatewayRef,
    route_table: &str,
    jwt: Option<&JwtSpec>,
) -> HttpConnectionManager {
    let verification = jwt.map(|jwt| jwt::verification(gateway, jwt));
    let slots = filters().map(|filter| slot_filter(&slot_name(gateway, filter)));
    HttpConnectionManager {
        stat_prefix: format!("weir_{}_{}", gateway.namespace, gateway.name),
        route_specifier: Some(RouteSpecifier::Rds(Rds {
            config_source: Some(ads()),
            route_config_name: route_table.to_owned(),
        })),
        http_filters: verification
            .into_iter()
            .chain(slots)
            .chain(jwt.map(|_| jwt::removal_of_payloads()))
            .chain([router_filter()])
            .collect(),
        use_remote_address: boolean(true),
        normalize_path: boolean(true),
        merge_slashes: true,
        request_headers_timeout: duration(Duration::from_secs(10)),
        upgrade_configs: vec![websocket()],
        early_header_mutation_extensions: vec![remove_internal_headers()],
        ..HttpConnectionManager::default()
    }
}

/// WebSocket passes: its opening request goes through all filters, what comes after it through none that looks at bodies.
fn websocket() -> UpgradeConfig {
    UpgradeConfig {
        upgrade_type: "websocket".to_owned(),
        ..UpgradeConfig::default()
    }
}

/// No default configuration: the listener waits until its slots are there.
fn slot_filter(name: &str) -> HttpFilter {
    let discovery = ExtensionConfigSource {
        config_source: Some(ads()),
        type_urls: vec![Wasm::type_url()],
        ..ExtensionConfigSource::default()
    };
    HttpFilter {
        name: name.to_owned(),
        config_type: Some(HttpConfigType::ConfigDiscovery(discovery)),
        ..HttpFilter::default()
    }
}

fn router_filter() -> HttpFilter {
    HttpFilter {
        name: "envoy.filters.http.router".to_owned(),
        config_type: Some(HttpConfigType::TypedConfig(any(&Router::default()))),
        ..HttpFilter::default()
    }
}

fn remove_internal_headers() -> TypedExtensionConfig {
    let mutations = INTERNAL_HEADER_PREFIXES.map(removal).into();
    TypedExtensionConfig {
        name: "envoy.http.early_header_mutation.header_mutation".to_owned(),
        typed_config: Some(any(&HeaderMutation { mutations })),
    }
}
