//! ADS with a real Envoy. Needs an Envoy binary (`WEIR_ENVOY`); `./scripts/setup` fetches one.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use weir_core::proxy::Nack;
use weir_core::snapshot::ResourceType::{Cluster, Endpoint, Listener};
use weir_core::snapshot::{Resource, Snapshot, View, version_info};

use crate::support::envoy::{Envoy, backend, get};
use crate::support::resources::{
    cluster, cluster_with_bad_ring, cluster_with_bad_timeout, cluster_with_unknown_policy,
    cluster_without_source, endpoints, listener,
};
use crate::support::server::{Ads, has_taken, of};

/// A listener that routes to `target`, and clusters that all have the same endpoint.
fn snapshot(target: &str, clusters: Vec<Resource>, address: SocketAddr) -> Arc<Snapshot> {
    let mut snapshot = Snapshot::default();
    for cluster in clusters {
        snapshot.insert(Endpoint, endpoints(&cluster.name, address));
        snapshot.insert(Cluster, cluster);
    }
    snapshot.insert(Listener, listener("http", target));
    Arc::new(snapshot)
}

fn shop(timeout: u64) -> Resource {
    cluster("shop", Duration::from_secs(timeout))
}

/// Clusters of `snapshot`, and one that is new.
fn with_new(bad: Resource) -> Vec<Resource> {
    vec![shop(9), bad, cluster("new", Duration::from_secs(1))]
}

struct Stack {
    ads: Ads,
    envoy: Envoy,
    backend: SocketAddr,
}

impl Stack {
    /// Envoy serves the shop.
    async fn start() -> Self {
        let backend = backend("hello").await;
        let ads = Ads::start(View::Gone).await;
        let envoy = Envoy::start(ads.address);
        let stack = Self { ads, envoy, backend };
        stack.settle("shop", vec![shop(1)]).await;
        stack.serves().await;
        stack
    }

    fn set(&self, target: &str, clusters: Vec<Resource>) -> Arc<Snapshot> {
        let snapshot = snapshot(target, clusters, self.backend);
        self.ads.set(View::Assigned(snapshot.clone()));
        snapshot
    }

    /// Waits until Envoy has these clusters, the listener, and nothing to complain of.
    async fn settle(&self, target: &str, clusters: Vec<Resource>) {
        let snapshot = self.set(target, clusters);
        for resource_type in [Cluster, Listener] {
            let version = version_info(snapshot.of(resource_type).values());
            let settled =
                |s: &_| has_taken(s, resource_type, &version) && of(s, resource_type).nack.is_none();
            self.ads.status("has taken the snapshot", settled).await;
        }
    }

    async fn routes_to(&self, target: &str) {
        let version = version_info(&[Arc::new(listener("http", target))]);
        self.ads
            .status("has taken the route", |s| has_taken(s, Listener, &version))
            .await;
        self.serves().await;
    }

    async fn refuses(&self, names: &[&str]) -> Nack {
        let refuses = |s: &_| of(s, Cluster).nack.is_some_and(|nack| nack.resources == names);
        of(&self.ads.status("refuses the cluster", refuses).await, Cluster)
            .nack
            .unwrap()
    }

    async fn serves(&self) {
        assert_eq!(
            get(self.envoy.listener().await, "/").await,
            Some((200, "hello".to_owned()))
        );
    }
}

/// A cluster that changes warms up with endpoints that Envoy doesn't ask for by a new name; without them it would never
/// answer, since the cluster waits for ever.
#[tokio::test]
async fn a_changed_cluster_gets_its_endpoints() {
    let stack = Stack::start().await;
    for timeout in 2..6 {
        stack.settle("shop", vec![shop(timeout)]).await;
        stack.serves().await;
    }
}

#[tokio::test]
async fn what_comes_with_a_refused_cluster_is_in_force() {
    let stack = Stack::start().await;
    stack.set("new", with_new(cluster_without_source("bad")));
    let nack = stack.refuses(&["bad"]).await;
    assert!(
        nack.message.starts_with("Error adding/updating cluster(s) bad: "),
        "{nack:?}"
    );
    stack.routes_to("new").await;
    stack.settle("shop", vec![shop(2)]).await;
    stack.serves().await;
}

#[tokio::test]
async fn a_refused_set_goes_out_again_without_the_guilty() {
    let stack = Stack::start().await;
    stack.set("new", with_new(cluster_with_unknown_policy("bad")));
    let nack = stack.refuses(&["bad"]).await;
    assert!(
        nack.message.contains("Proto constraint validation failed"),
        "{nack:?}"
    );
    stack.routes_to("new").await;
    stack.settle("shop", vec![shop(2)]).await;
    stack.serves().await;
}

/// All that changed is held back, until it changes again.
#[tokio::test]
async fn a_refusal_without_names_holds_the_change_back() {
    let stack = Stack::start().await;
    stack.set("new", with_new(cluster_with_bad_timeout("bad")));
    let nack = stack.refuses(&["bad", "new", "shop"]).await;
    assert!(nack.message.contains("Invalid duration"), "{nack:?}");
    stack.serves().await;
    stack
        .settle("other", vec![shop(2), cluster("other", Duration::from_secs(1))])
        .await;
    stack.serves().await;
}

/// Envoy keeps silent, and serves on; its complaint comes with the answer to the set that has no fault any more.
#[tokio::test]
async fn a_late_complaint_is_got_over() {
    let stack = Stack::start().await;
    stack.set("new", with_new(cluster_with_bad_ring("bad")));
    stack.serves().await;
    stack
        .settle("new", with_new(cluster("bad", Duration::from_secs(1))))
        .await;
    stack.serves().await;
}
