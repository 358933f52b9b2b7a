//! Proxies, modules, health and metrics.

use std::collections::BTreeMap;

use axum::body::Body;
use http::{Request, StatusCode};
use serde_json::json;
use weir_core::proxy::{Assignment, Nack, ProxyStatus};
use weir_core::snapshot::ResourceType;

use crate::world::{MODULE, World, backend, backend_at, digest};

fn proxy(id: &str, assignment: Assignment) -> ProxyStatus {
    ProxyStatus {
        id: id.to_owned(),
        cluster: "default/edge".to_owned(),
        version: "1.40.0".to_owned(),
        assignment,
        connected: true,
        since_ms: 1,
        revision: 7,
        types: BTreeMap::new(),
    }
}

/// One proxy that took clusters and refused listeners, one that left.
fn with_proxies() -> World {
    let world = World::new();
    let proxies = &world.plane.proxies;
    let stream = proxies.connected(proxy("rack/1", Assignment::Assigned));
    for (resource_type, taken) in [
        (ResourceType::Cluster, true),
        (ResourceType::Cluster, true),
        (ResourceType::Listener, false),
    ] {
        proxies.answered(resource_type, taken);
    }
    proxies.acked("rack/1", stream, ResourceType::Cluster, "v1", 2);
    proxies.acked("rack/1", stream, ResourceType::Cluster, "v2", 3);
    let nack = Nack {
        version: "v1".to_owned(),
        message: "no".to_owned(),
        resources: vec!["l".to_owned()],
        at_ms: 4,
    };
    proxies.nacked("rack/1", stream, ResourceType::Listener, nack);
    let stream = proxies.connected(proxy("b", Assignment::Unassigned));
    proxies.disconnected("b", stream, 5);
    world
}

#[tokio::test]
async fn proxies_are_listed_and_found_by_id() {
    let world = with_proxies();
    let list = world.get("/v1/proxies").await.json();
    assert_eq!(list["items"].as_array().unwrap().len(), 2);
    let one = world.get("/v1/proxies/rack%2F1").await.json();
    assert_eq!(one, list["items"][1]);
    assert_eq!(one["types"]["LDS"]["nack"]["message"], "no");
    assert_eq!(one["types"]["CDS"]["ackedVersion"], "v2");
    world.get("/v1/proxies/c").await.problem(404, "not-found");
}

#[tokio::test]
async fn modules_are_listed_and_served_by_digest() {
    let world = World::new();
    let catalog = world.get("/v1/modules").await.json();
    assert_eq!(
        catalog,
        json!({"modules": {"shard-router": {"sha256": digest(), "size": MODULE.len()}}})
    );

    let module = world.get(&format!("/v1/modules/{}", digest())).await;
    assert_eq!((module.status, module.body.as_slice()), (StatusCode::OK, MODULE));
    assert_eq!(module.header("content-type"), Some("application/wasm"));
    assert_eq!(module.header("etag"), Some(format!("\"{}\"", digest()).as_str()));
    assert!(module.header("cache-control").unwrap().contains("immutable"));

    world
        .get(&format!("/v1/modules/{}", "0".repeat(64)))
        .await
        .problem(404, "not-found");
    for bad in [
        "a".repeat(63),
        "A".repeat(64),
        "g".repeat(64),
        "..%2F..%2Fetc%2Fpasswd".to_owned(),
    ] {
        world
            .get(&format!("/v1/modules/{bad}"))
            .await
            .problem(400, "bad-path");
    }
}

#[tokio::test]
async fn health_is_told_plainly() {
    let answer = World::new().get("/healthz").await;
    assert_eq!((answer.status, answer.text().as_str()), (StatusCode::OK, "ok"));
}

#[tokio::test]
async fn metrics_tell_of_state_proxies_and_requests() {
    let world = with_proxies();
    let a = "/v1/namespaces/default/backends/a";
    world.put_new(&backend("a")).await;
    world.put(a, &backend_at("a", 0)).await;
    world
        .put("/v1/namespaces/default/backends/b", &backend("a"))
        .await;
    world.get(a).await;
    world.get("/some/secret/path").await;
    world.json("BREW", "/healthz", "", &[]).await;
    world
        .send(
            Request::get("/healthz")
                .header("host", "rebound.example")
                .body(Body::empty())
                .unwrap(),
        )
        .await;

    let answer = world.get("/metrics").await;
    assert!(
        answer
            .header("content-type")
            .unwrap()
            .starts_with("application/openmetrics-text")
    );
    let text = answer.text();
    let route = "route=\"/v1/namespaces/{namespace}/{kind}/{name}\"";
    for line in [
        "weir_build_info{version=\"1.2.3\"} 1",
        "process_start_time_seconds 1.5",
        "weir_revision 1",
        "weir_documents{kind=\"Backend\"} 1",
        "weir_documents{kind=\"Gateway\"} 0",
        "weir_proxies{assignment=\"assigned\",connected=\"true\"} 1",
        "weir_proxies{assignment=\"assigned\",connected=\"false\"} 0",
        "weir_proxies{assignment=\"unassigned\",connected=\"false\"} 1",
        "weir_proxies{assignment=\"gateway_gone\",connected=\"true\"} 0",
        "weir_xds_responses_total{type=\"CDS\",result=\"ack\"} 2",
        "weir_xds_responses_total{type=\"LDS\",result=\"nack\"} 1",
        "weir_changes_refused_total{reason=\"invalid\"} 2",
        &format!("weir_http_requests_total{{method=\"PUT\",{route},status=\"201\"}} 1"),
        &format!("weir_http_requests_total{{method=\"PUT\",{route},status=\"422\"}} 2"),
        &format!("weir_http_request_duration_seconds_count{{method=\"PUT\",{route}}} 3"),
        "weir_http_requests_total{method=\"GET\",route=\"unmatched\",status=\"404\"} 1",
        "weir_http_requests_total{method=\"other\",route=\"/healthz\",status=\"405\"} 1",
        "weir_http_requests_total{method=\"GET\",route=\"/healthz\",status=\"421\"} 1",
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line}\nis not in\n{text}"
        );
    }
    assert!(!text.contains("secret"));
}
