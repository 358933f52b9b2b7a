//! A Gateway's routes, as the host follows them.

use std::time::Duration;

use weir_core::cluster::ClusterUse;
use weir_policy::document::gateway::Route;
use weir_route_match::{Matcher, RequestView};
use weir_shard_map::CLUSTER_HEADER;
use weir_wasm_tests::{HeaderMap, Route as HostRoute};

/// Documents were checked, so that every condition compiles; one that didn't would take no request.
pub(super) fn to_host(route: &Route, clusters: &[ClusterUse]) -> HostRoute {
    let conditions = route.matches.iter();
    let matchers: Vec<Matcher> = conditions.filter_map(|one| Matcher::try_new(one).ok()).collect();
    let takes = move |headers: &HeaderMap| {
        let request = View(headers);
        matchers.is_empty() || matchers.iter().any(|matcher| matcher.matches(&request))
    };
    let host = HostRoute::matching(takes)
        .name(route.name.as_str())
        .timeout(Duration::from_millis(route.timeout.as_millis()))
        // Envoy's is up to a millisecond, at random.
        .retry_backoff(Duration::ZERO);
    match own_cluster(route, clusters) {
        Some(cluster) => host.cluster(&cluster.name),
        None => host.cluster_header(CLUSTER_HEADER),
    }
}

/// The cluster of the route's own Backend.
fn own_cluster<'c>(route: &Route, clusters: &'c [ClusterUse]) -> Option<&'c ClusterUse> {
    let backend = route.backend.as_ref()?;
    clusters
        .iter()
        .find(|cluster| cluster.shard.is_none() && cluster.backend == *backend)
}

/// The host's headers as the matching reads them.
struct View<'h>(&'h HeaderMap);

impl RequestView for View<'_> {
    fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.0.values(name)
    }
}
