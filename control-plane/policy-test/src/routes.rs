//! Which cluster takes a request: the Gateway's routes, as Envoy follows them.

use std::time::Duration;

use weir_core::cluster::ClusterUse;
use weir_policy::document::gateway::Route;
use weir_route_match::{Matcher, RequestView};
use weir_shard_map::CLUSTER_HEADER;
use weir_wasm_tests::HeaderMap;

/// The routes of a Gateway and the clusters of its proxies.
pub(crate) struct Routes {
    routes: Vec<CompiledRoute>,
    clusters: Vec<ClusterUse>,
}

struct CompiledRoute {
    matchers: Vec<Matcher>,
    /// The cluster of the route's own Backend; none: the cluster header names it.
    cluster: Option<String>,
    timeout: Duration,
}

/// Where a request goes.
pub(crate) enum Destination<'r> {
    /// To this cluster; the whole answer may take so long.
    Cluster(&'r ClusterUse, Duration),
    /// To a cluster that the proxy doesn't have, or that no filter named.
    NoCluster,
    /// No route takes it.
    NoRoute,
}

impl Routes {
    /// Documents were checked, so that every condition compiles; one that didn't would take no request.
    pub(crate) fn new(routes: &[Route], clusters: Vec<ClusterUse>) -> Self {
        let compiled = |route: &Route| CompiledRoute {
            matchers: route
                .matches
                .iter()
                .filter_map(|one| Matcher::try_new(one).ok())
                .collect(),
            cluster: own_cluster(route, &clusters),
            timeout: Duration::from_millis(route.timeout.as_millis()),
        };
        Self {
            routes: routes.iter().map(compiled).collect(),
            clusters,
        }
    }

    /// Where a request with these headers goes, as it left the last filter.
    pub(crate) fn destination(&self, headers: &HeaderMap) -> Destination<'_> {
        let request = View(headers);
        let Some(route) = self.routes.iter().find(|route| route.takes(&request)) else {
            return Destination::NoRoute;
        };
        let named = route.cluster.clone().or_else(|| headers.text(CLUSTER_HEADER));
        let cluster = self
            .clusters
            .iter()
            .find(|cluster| Some(&cluster.name) == named.as_ref());
        cluster.map_or(Destination::NoCluster, |cluster| {
            Destination::Cluster(cluster, route.timeout)
        })
    }
}

impl CompiledRoute {
    fn takes(&self, request: &View<'_>) -> bool {
        self.matchers.is_empty() || self.matchers.iter().any(|matcher| matcher.matches(request))
    }
}

fn own_cluster(route: &Route, clusters: &[ClusterUse]) -> Option<String> {
    let backend = route.backend.as_ref()?;
    let own = clusters
        .iter()
        .find(|cluster| cluster.shard.is_none() && cluster.backend == *backend);
    own.map(|cluster| cluster.name.clone())
}

/// The host's headers as the matching reads them.
struct View<'h>(&'h HeaderMap);

impl RequestView for View<'_> {
    fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.0.values(name)
    }
}
