//! Route tables: a Gateway's routes as Envoy's virtual hosts.
//!
//! A Gateway's routes are tried in their order, whatever their hosts. Envoy first chooses one virtual host, the most
//! specific, and never looks into another; so each virtual host gets every route that its hosts can take, in order.

use std::collections::BTreeSet;

use envoy_types::pb::envoy::config::core::v3::TypedExtensionConfig;
use envoy_types::pb::envoy::config::route::v3::header_matcher::HeaderMatchSpecifier;
use envoy_types::pb::envoy::config::route::v3::route::Action;
use envoy_types::pb::envoy::config::route::v3::route_action::ClusterSpecifier;
use envoy_types::pb::envoy::config::route::v3::route_match::PathSpecifier;
use envoy_types::pb::envoy::config::route::v3::{
    HeaderMatcher, Route, RouteAction, RouteConfiguration, RouteMatch, VirtualHost,
};
use envoy_types::pb::envoy::extensions::path::r#match::uri_template::v3::UriTemplateMatchConfig;
use envoy_types::pb::envoy::r#type::matcher::v3::string_matcher::MatchPattern;
use envoy_types::pb::envoy::r#type::matcher::v3::{RegexMatcher, StringMatcher};
use weir_policy::document::gateway::Route as RouteSpec;
use weir_policy::matching::{HeaderMatch, PathMatch, RequestMatch};
use weir_policy::name::Name;
use weir_shard_map::CLUSTER_HEADER;

use super::encode::{any, duration};
use super::listener::listener_name;
use super::{Resource, retry};
use crate::cluster_name::backend_cluster;
use crate::node::GatewayRef;

/// The virtual host of hosts that no route names.
const ANY_HOST: &str = "*";

/// A Gateway's routes.
#[derive(Clone, Copy)]
pub(super) struct Routes<'a> {
    pub(super) routes: &'a [RouteSpec],
    /// Requests that go to shards may be sent twice.
    pub(super) hedged: bool,
}

pub(super) fn table(gateway: &GatewayRef, port: u16, routes: Routes<'_>) -> Resource {
    let name = listener_name(gateway, port);
    let message = RouteConfiguration {
        name: name.clone(),
        virtual_hosts: hosts(routes.routes)
            .iter()
            .map(|host| virtual_host(host, gateway, routes))
            .collect(),
        ignore_port_in_host_matching: true,
        request_headers_to_remove: vec![CLUSTER_HEADER.to_owned()],
        ..RouteConfiguration::default()
    };
    let clusters = routes.routes.iter().filter_map(|route| route.backend.as_ref());
    let clusters = clusters
        .map(|backend| backend_cluster(&gateway.namespace, backend))
        .collect();
    Resource::encoded(&name, &message).with_clusters(clusters)
}

/// Every host that a route names, in lower case, and [`ANY_HOST`].
fn hosts(routes: &[RouteSpec]) -> BTreeSet<String> {
    let named = routes
        .iter()
        .flat_map(|route| &route.matches)
        .filter_map(|one| one.host.as_ref());
    named
        .map(|host| host.to_ascii_lowercase())
        .chain([ANY_HOST.to_owned()])
        .collect()
}

fn virtual_host(host: &str, gateway: &GatewayRef, routes: Routes<'_>) -> VirtualHost {
    VirtualHost {
        name: host.to_owned(),
        domains: vec![host.to_owned()],
        routes: routes
            .routes
            .iter()
            .flat_map(|route| of_host(host, &gateway.namespace, route, routes.hedged))
            .collect(),
        ..VirtualHost::default()
    }
}

fn of_host(host: &str, namespace: &Name, route: &RouteSpec, hedged: bool) -> Vec<Route> {
    let any_request = [RequestMatch::default()];
    let matches = if route.matches.is_empty() {
        &any_request[..]
    } else {
        &route.matches[..]
    };
    matches
        .iter()
        .filter(|one| takes_host(one.host.as_deref(), host))
        .map(|one| envoy_route(namespace, route, one, hedged))
        .collect()
}

/// Whether every host of the virtual host `host` is one of `pattern`'s.
fn takes_host(pattern: Option<&str>, host: &str) -> bool {
    let Some(pattern) = pattern.map(str::to_ascii_lowercase) else {
        return true;
    };
    pattern == host
        || pattern
            .strip_prefix('*')
            .is_some_and(|suffix| host.trim_start_matches('*').ends_with(suffix) && host != ANY_HOST)
}

fn envoy_route(namespace: &Name, route: &RouteSpec, one: &RequestMatch, hedged: bool) -> Route {
    let cluster = match &route.backend {
        Some(backend) => ClusterSpecifier::Cluster(backend_cluster(namespace, backend)),
        None => ClusterSpecifier::ClusterHeader(CLUSTER_HEADER.to_owned()),
    };
    let action = RouteAction {
        cluster_specifier: Some(cluster),
        timeout: duration(route.timeout),
        retry_policy: (hedged && route.backend.is_none()).then(retry::policy),
        ..RouteAction::default()
    };
    Route {
        name: route.name.to_string(),
        r#match: Some(route_match(one)),
        action: Some(Action::Route(action)),
        ..Route::default()
    }
}

fn route_match(one: &RequestMatch) -> RouteMatch {
    RouteMatch {
        path_specifier: Some(path_specifier(one.path.as_ref())),
        headers: method_matcher(&one.methods)
            .into_iter()
            .chain(one.headers.iter().map(header_matcher))
            .collect(),
        ..RouteMatch::default()
    }
}

fn path_specifier(path: Option<&PathMatch>) -> PathSpecifier {
    match path {
        None => PathSpecifier::Prefix("/".to_owned()),
        Some(PathMatch::Exact(path)) => PathSpecifier::Path(path.clone()),
        Some(PathMatch::Prefix(prefix)) => match prefix.trim_end_matches('/') {
            "" => PathSpecifier::Prefix("/".to_owned()),
            prefix => PathSpecifier::PathSeparatedPrefix(prefix.to_owned()),
        },
        Some(PathMatch::RegularExpression(pattern)) => PathSpecifier::SafeRegex(regex(pattern)),
        Some(PathMatch::Template(template)) => PathSpecifier::PathMatchPolicy(TypedExtensionConfig {
            name: "envoy.path.match.uri_template.uri_template_matcher".to_owned(),
            typed_config: Some(any(&UriTemplateMatchConfig {
                path_template: template.clone(),
            })),
        }),
    }
}

/// Methods are tokens, so that `|` can stand between them once special characters are escaped.
fn method_matcher(methods: &[String]) -> Option<HeaderMatcher> {
    let escape = |method: &String| {
        method
            .chars()
            .map(|one| {
                if one.is_ascii_alphanumeric() {
                    one.to_string()
                } else {
                    format!("\\{one}")
                }
            })
            .collect::<String>()
    };
    let pattern = methods.iter().map(escape).collect::<Vec<_>>().join("|");
    let matcher = StringMatcher {
        match_pattern: Some(MatchPattern::SafeRegex(regex(&pattern))),
        ..StringMatcher::default()
    };
    (!methods.is_empty()).then(|| HeaderMatcher {
        name: ":method".to_owned(),
        header_match_specifier: Some(HeaderMatchSpecifier::StringMatch(matcher)),
        ..HeaderMatcher::default()
    })
}

fn header_matcher(header: &HeaderMatch) -> HeaderMatcher {
    let specifier = match &header.value {
        None => HeaderMatchSpecifier::PresentMatch(true),
        Some(value) => HeaderMatchSpecifier::StringMatch(StringMatcher {
            match_pattern: Some(MatchPattern::Exact(value.clone())),
            ..StringMatcher::default()
        }),
    };
    HeaderMatcher {
        name: header.name.clone(),
        header_match_specifier: Some(specifier),
        ..HeaderMatcher::default()
    }
}

fn regex(pattern: &str) -> RegexMatcher {
    RegexMatcher {
        regex: pattern.to_owned(),
        ..RegexMatcher::default()
    }
}
