//! Gateway: what a standalone proxy listens on, and its routes.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use crate::document::backend::check_span;
use crate::document::jwt::JwtSpec;
use crate::matching::RequestMatch;
use crate::name::Name;
use crate::problem::Problems;
use crate::quantity::Duration;

/// What a standalone proxy listens on, and its routes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GatewaySpec {
    /// Where it listens.
    pub listeners: Vec<Listener>,
    /// Its routes, the same on every listener. The first that matches takes the request; none: 404.
    pub routes: Vec<Route>,
    /// Whose JWTs it verifies; absent: none, and filters see no claims. A change of it changes the listeners: Envoy drains
    /// the connections of the old ones, and these keep the providers that they had until they end, which may take Envoy's
    /// whole drain time (600 s by default).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt: Option<JwtSpec>,
}

/// One port that a proxy listens on (HTTP/1.1 and HTTP/2, without TLS).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Listener {
    /// The address to bind.
    #[serde(default = "loopback")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub address: IpAddr,
    /// 1 to 65535, unique in the Gateway.
    #[cfg_attr(feature = "schema", schemars(range(min = 1)))]
    pub port: u16,
}

/// One route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Route {
    /// Unique in the Gateway; what `targetRefs[].sectionName` names.
    pub name: Name,
    /// Which requests take it: any of these; empty: every request.
    #[serde(default, rename = "match", skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<RequestMatch>,
    /// The Backend that answers; absent: the shard that the route's ShardMap chooses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<Name>,
    /// How long the whole answer may take.
    #[serde(default = "default_timeout")]
    pub timeout: Duration,
}

const fn loopback() -> IpAddr {
    IpAddr::V4(Ipv4Addr::LOCALHOST)
}

const fn default_timeout() -> Duration {
    Duration::from_secs(15)
}

impl GatewaySpec {
    /// The Backends that it names itself, in its routes and for JWKS; one may come twice.
    pub fn backends(&self) -> impl Iterator<Item = &Name> {
        let of_routes = self.routes.iter().filter_map(|route| route.backend.as_ref());
        of_routes.chain(self.jwt.iter().flat_map(JwtSpec::backends))
    }

    pub(crate) fn check(&self, problems: &mut Problems) {
        problems.within("listeners", |problems| check_listeners(&self.listeners, problems));
        problems.within("routes", |problems| check_routes(&self.routes, problems));
        if let Some(jwt) = &self.jwt {
            problems.within("jwt", |problems| jwt.check(problems));
        }
    }
}

fn check_listeners(listeners: &[Listener], problems: &mut Problems) {
    if listeners.is_empty() {
        problems.note("no_listeners", "a Gateway needs at least one listener");
    }
    let mut seen = BTreeSet::new();
    for (index, listener) in listeners.iter().enumerate() {
        problems.within(index, |problems| {
            if listener.port == 0 {
                problems.note_at("port", "port_out_of_range", "port 0: expected 1 to 65535");
            } else if !seen.insert(listener.port) {
                problems.note_at(
                    "port",
                    "duplicate_port",
                    format!("port {} stands twice", listener.port),
                );
            }
        });
    }
}

fn check_routes(routes: &[Route], problems: &mut Problems) {
    let mut seen = BTreeSet::new();
    for (index, route) in routes.iter().enumerate() {
        problems.within(index, |problems| {
            if !seen.insert(&route.name) {
                problems.note_at(
                    "name",
                    "duplicate_route",
                    format!("duplicate route \"{}\"", route.name),
                );
            }
            problems.within("match", |problems| {
                for (index, request_match) in route.matches.iter().enumerate() {
                    problems.within(index, |problems| request_match.check(problems));
                }
            });
            check_span(route.timeout, "timeout", problems);
        });
    }
}
