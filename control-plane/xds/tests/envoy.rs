//! ADS with a real Envoy. Needs an Envoy binary (`WEIR_ENVOY`); `./scripts/setup` fetches one.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "support/envoy.rs"]
mod envoy;
#[path = "support/resources.rs"]
mod resources;
#[path = "support/server.rs"]
mod server;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use weir_core::snapshot::ResourceType::{Cluster, Endpoint, Listener};
use weir_core::snapshot::{Resource, Snapshot, View, version_info};

use envoy::{Envoy, backend, get};
use resources::{cluster, cluster_with_bad_ring, cluster_with_bad_timeout, endpoints, listener};
use server::{Ads, has_taken, of};

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

/// Sets the snapshot and waits until Envoy has all of its clusters and listeners.
async fn settle(ads: &Ads, snapshot: Arc<Snapshot>) {
    ads.set(View::Assigned(snapshot.clone()));
    for resource_type in [Cluster, Listener] {
        let version = version_info(snapshot.of(resource_type).values());
        ads.status("has taken the snapshot", |s| {
            has_taken(s, resource_type, &version)
        })
        .await;
    }
}

#[tokio::test]
async fn envoy_follows() {
    let address = backend("hello").await;
    let ads = Ads::start(View::Gone).await;
    let proxy = Envoy::start(ads.address);
    settle(&ads, snapshot("shop", vec![shop(1)], address)).await;
    let hello = Some((200, "hello".to_owned()));
    let http = proxy.listener().await;
    assert_eq!(get(http, "/").await, hello);

    // A cluster that changes warms up with endpoints that were not asked for by a new name; without them Envoy would
    // never answer.
    for timeout in 2..5 {
        settle(&ads, snapshot("shop", vec![shop(timeout)], address)).await;
        assert_eq!(get(http, "/").await, hello);
    }

    // A cluster that Envoy refuses alone: what came with it is in force, and can be routed to.
    let clusters = vec![
        shop(5),
        cluster_with_bad_ring("bad"),
        cluster("new", Duration::from_secs(1)),
    ];
    ads.set(View::Assigned(snapshot("new", clusters, address)));
    let status = ads
        .status("refused a cluster", |s| of(s, Cluster).nack.is_some())
        .await;
    let nack = of(&status, Cluster).nack.unwrap();
    assert_eq!(nack.resources, ["bad"], "{nack:?}");
    assert!(nack.message.contains("ring"), "{nack:?}");
    let routed = version_info(&[Arc::new(listener("http", "new"))]);
    ads.status("routes to the new cluster", |s| has_taken(s, Listener, &routed))
        .await;
    assert_eq!(get(proxy.listener().await, "/").await, hello);

    // One that makes Envoy refuse the whole set: the rest arrives all the same.
    let clusters = vec![
        shop(6),
        cluster_with_bad_timeout("worse"),
        cluster("other", Duration::from_secs(1)),
    ];
    ads.set(View::Assigned(snapshot("other", clusters, address)));
    let worse = |status: &_| {
        of(status, Cluster)
            .nack
            .is_some_and(|nack| nack.resources == ["worse"])
    };
    ads.status("refused another cluster", worse).await;
    let routed = version_info(&[Arc::new(listener("http", "other"))]);
    ads.status("routes to the other cluster", |s| has_taken(s, Listener, &routed))
        .await;
    assert_eq!(get(proxy.listener().await, "/").await, hello);

    // Good again: nothing is refused any more. What went is gone once it has lingered.
    settle(&ads, snapshot("shop", vec![shop(7)], address)).await;
    let status = ads
        .status("refuses nothing", |s| of(s, Cluster).nack.is_none())
        .await;
    assert_eq!(of(&status, Endpoint).nack, None);
    assert_eq!(get(proxy.listener().await, "/").await, hello);
}
