//! Documents to feed the control plane.

use std::net::IpAddr;

use serde_json::{Value, json};

pub(crate) fn document(kind: &str, name: &str, spec: Value) -> Value {
    json!({"apiVersion": "weir.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec})
}

/// The port that every test's proxy listens on, each at its own address.
pub(crate) const PROXY_PORT: u16 = 10_000;

/// A Gateway that sends everything to the shards.
pub(crate) fn gateway(ip: IpAddr) -> Value {
    gateway_named("edge", ip)
}

pub(crate) fn gateway_named(name: &str, ip: IpAddr) -> Value {
    let listener = json!({"address": ip.to_string(), "port": PROXY_PORT});
    document(
        "Gateway",
        name,
        json!({"listeners": [listener], "routes": [{"name": "all"}]}),
    )
}

/// A map over the Backends `backend-<shard>`, keyed by header, query or path.
pub(crate) fn shard_map(shards: &[&str]) -> Value {
    let shards: Vec<Value> = shards
        .iter()
        .map(|shard| json!({"name": shard, "backend": format!("backend-{shard}")}))
        .collect();
    let sources =
        json!([{"header": "x-user-id"}, {"query": "user"}, {"path": {"template": "/users/{id}/**"}}]);
    document(
        "ShardMap",
        "orders",
        json!({
            "targetRefs": [{"group": "weir.dev", "kind": "Gateway", "name": "edge"}],
            "key": {"sources": sources},
            "strategy": {"hash": {"algorithm": "ring-v1"}},
            "shards": shards,
        }),
    )
}

/// A raw cluster that passes Envoy's schema; without a load assignment that fits its type Envoy refuses it.
pub(crate) fn raw_cluster(name: &str, cluster_type: &str) -> Value {
    let resource = json!({
        "@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster",
        "name": name,
        "type": cluster_type,
        "connectTimeout": "1s",
    });
    document("EnvoyResource", name, json!({"resource": resource}))
}
