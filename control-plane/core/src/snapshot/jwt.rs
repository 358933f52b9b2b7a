//! JWT verification: a Gateway's providers as Envoy's `jwt_authn` filter.
//!
//! What it verified reaches the slots in headers, which end behind them.

use std::collections::{BTreeSet, HashMap};

use envoy_types::pb::envoy::config::core::v3::data_source::Specifier as DataSpecifier;
use envoy_types::pb::envoy::config::core::v3::http_uri::HttpUpstreamType;
use envoy_types::pb::envoy::config::core::v3::{DataSource, HttpUri};
use envoy_types::pb::envoy::config::route::v3::RouteMatch;
use envoy_types::pb::envoy::config::route::v3::route_match::PathSpecifier;
use envoy_types::pb::envoy::extensions::filters::http::header_mutation::v3::{HeaderMutation, Mutations};
use envoy_types::pb::envoy::extensions::filters::http::jwt_authn::v3::jwt_provider::JwksSourceSpecifier;
use envoy_types::pb::envoy::extensions::filters::http::jwt_authn::v3::jwt_requirement::RequiresType;
use envoy_types::pb::envoy::extensions::filters::http::jwt_authn::v3::requirement_rule::RequirementType;
use envoy_types::pb::envoy::extensions::filters::http::jwt_authn::v3::{
    JwksAsyncFetch, JwtAuthentication, JwtHeader, JwtProvider, JwtRequirement, JwtRequirementOrList,
    RemoteJwks, RequirementRule,
};
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::HttpFilter;
use envoy_types::pb::envoy::extensions::filters::network::http_connection_manager::v3::http_filter::ConfigType;
use envoy_types::pb::google::protobuf::{Any, Empty};
use prost::{Message, Name as _};
use weir_policy::document::jwks::{Jwks, RemoteJwks as RemoteJwksSpec};
use weir_policy::document::jwt::{
    JwtProvider as ProviderSpec, JwtSpec, PAYLOAD_HEADER_PREFIX, payload_header,
};

use super::encode::{any, duration};
use super::header::removal;
use crate::cluster_name::backend_cluster;
use crate::node::GatewayRef;

/// The filter that verifies, before every slot. Access logs know it by its name.
pub(super) fn verification(gateway: &GatewayRef, spec: &JwtSpec) -> HttpFilter {
    filter("envoy.filters.http.jwt_authn", authentication(gateway, spec))
}

/// The filter behind every slot that keeps payloads from backends. It stands in the listener, as does what sets them, and
/// not in the route table: connections of a former listener take the newest table, but keep their filters, and with them
/// the providers of former days.
pub(super) fn removal_of_payloads() -> HttpFilter {
    let mutations = Mutations {
        request_mutations: vec![removal(PAYLOAD_HEADER_PREFIX)],
        ..Mutations::default()
    };
    let removal = HeaderMutation {
        mutations: Some(mutations),
        ..HeaderMutation::default()
    };
    filter("envoy.filters.http.header_mutation", any(&removal))
}

fn filter(name: &str, config: Any) -> HttpFilter {
    HttpFilter {
        name: name.to_owned(),
        config_type: Some(ConfigType::TypedConfig(config)),
        ..HttpFilter::default()
    }
}

/// The clusters that keys are fetched from.
pub(super) fn clusters(gateway: &GatewayRef, spec: &JwtSpec) -> BTreeSet<String> {
    spec.backends()
        .map(|backend| backend_cluster(&gateway.namespace, backend))
        .collect()
}

/// Providers are a map, which prost writes in any order. A message is also the concatenation of its parts, so they are
/// written one by one: the bytes are the same on every replica.
fn authentication(gateway: &GatewayRef, spec: &JwtSpec) -> Any {
    let one_provider = |one: &ProviderSpec| JwtAuthentication {
        providers: HashMap::from([(one.name.to_string(), provider(gateway, one))]),
        ..JwtAuthentication::default()
    };
    let rules = JwtAuthentication {
        rules: vec![rule(spec)],
        ..JwtAuthentication::default()
    };
    let parts = spec.providers.iter().map(one_provider).chain([rules]);
    Any {
        type_url: JwtAuthentication::type_url(),
        value: parts.flat_map(|part| part.encode_to_vec()).collect(),
    }
}

fn provider(gateway: &GatewayRef, spec: &ProviderSpec) -> JwtProvider {
    let source = match &spec.jwks {
        Jwks::Inline(text) => JwksSourceSpecifier::LocalJwks(DataSource {
            specifier: Some(DataSpecifier::InlineString(text.clone())),
            ..DataSource::default()
        }),
        Jwks::Remote(remote) => JwksSourceSpecifier::RemoteJwks(remote_jwks(gateway, remote)),
    };
    let from_headers = spec.from_headers.iter().map(|from| JwtHeader {
        name: from.name.clone(),
        value_prefix: from.value_prefix.clone(),
    });
    JwtProvider {
        issuer: spec.issuer.clone(),
        audiences: spec.audiences.clone(),
        forward: spec.forward,
        from_headers: from_headers.collect(),
        from_params: spec.from_params.clone(),
        from_cookies: spec.from_cookies.clone(),
        forward_payload_header: payload_header(&spec.name),
        payload_in_metadata: spec.name.to_string(),
        jwks_source_specifier: Some(source),
        ..JwtProvider::default()
    }
}

/// The main thread fetches, once for all workers, and the listener waits for the first answer, good or bad.
fn remote_jwks(gateway: &GatewayRef, spec: &RemoteJwksSpec) -> RemoteJwks {
    let cluster = backend_cluster(&gateway.namespace, &spec.backend);
    let uri = HttpUri {
        uri: spec.uri(),
        timeout: duration(spec.timeout),
        http_upstream_type: Some(HttpUpstreamType::Cluster(cluster)),
    };
    RemoteJwks {
        http_uri: Some(uri),
        cache_duration: duration(spec.cache_duration),
        async_fetch: Some(JwksAsyncFetch::default()),
        ..RemoteJwks::default()
    }
}

/// One rule for every request. `allow_missing` alone would do without the providers, but then the last of several
/// tokens decides; beside providers a bad token is never outvoted by a good one.
fn rule(spec: &JwtSpec) -> RequirementRule {
    let providers = spec
        .providers
        .iter()
        .map(|provider| RequiresType::ProviderName(provider.name.to_string()));
    let missing = (!spec.required).then(|| RequiresType::AllowMissing(Empty::default()));
    RequirementRule {
        r#match: Some(RouteMatch {
            path_specifier: Some(PathSpecifier::Prefix(String::new())),
            ..RouteMatch::default()
        }),
        requirement_type: any_of(providers.chain(missing).map(requirement).collect()),
    }
}

/// Envoy takes no list of one.
fn any_of(mut requirements: Vec<JwtRequirement>) -> Option<RequirementType> {
    let only = if requirements.len() > 1 {
        let any = JwtRequirementOrList { requirements };
        Some(requirement(RequiresType::RequiresAny(any)))
    } else {
        requirements.pop()
    };
    only.map(RequirementType::Requires)
}

const fn requirement(requires: RequiresType) -> JwtRequirement {
    JwtRequirement {
        requires_type: Some(requires),
    }
}
