//! A store-less control plane, and documents to feed it.

#![allow(dead_code, reason = "each test binary uses its part")]

use serde_json::{Value, json};
use weir_core::cache::{DependencyChange, PurgeRequest, PurgeScope};
use weir_core::event::{Change, Event};
use weir_core::refusal::Refusal;
use weir_core::state::State;
use weir_policy::document::Identity;
use weir_policy::proxy::{Notice, QuotaReset};

#[derive(Default)]
pub(crate) struct World {
    pub(crate) state: State,
    pub(crate) events: Vec<Event>,
}

impl World {
    pub(crate) fn apply(&mut self, documents: Vec<Value>) -> Result<(), Refusal> {
        let plan = self.state.plan(documents)?;
        self.take(plan.changes);
        Ok(())
    }

    pub(crate) fn delete(&mut self, identity: &Identity) -> Result<(), Refusal> {
        let change = self.state.plan_delete(identity, None)?;
        self.take(vec![change]);
        Ok(())
    }

    /// A reset of every limit of `<namespace>/<policy>`.
    pub(crate) fn reset(&mut self, namespace: &str, policy: &str) {
        let reset = QuotaReset {
            policy: format!("{namespace}/{policy}"),
            limit: None,
            key: None,
        };
        self.take(vec![Change::Notice {
            namespace: namespace.parse().unwrap(),
            notice: Notice::QuotaReset(reset),
        }]);
    }

    /// How much it is for.
    pub(crate) fn purge(&mut self, request: Value) -> Result<PurgeScope, Refusal> {
        let request: PurgeRequest = serde_json::from_value(request).unwrap();
        let (changes, scope) = self.state.plan_purge(&request)?;
        self.take(changes);
        Ok(scope)
    }

    /// From now on `tag` of the default namespace depends on these.
    pub(crate) fn depend(&mut self, tag: &str, depends_on: &[&str]) -> Result<(), Refusal> {
        self.depend_in("default", tag, depends_on)
    }

    pub(crate) fn depend_in(
        &mut self,
        namespace: &str,
        tag: &str,
        depends_on: &[&str],
    ) -> Result<(), Refusal> {
        let changes = self.state.plan_dependencies(&DependencyChange {
            namespace: namespace.parse().unwrap(),
            tag: tag.to_owned(),
            depends_on: Some(depends_on.iter().map(ToString::to_string).collect()),
        })?;
        self.take(changes);
        Ok(())
    }

    pub(crate) fn take(&mut self, changes: Vec<Change>) {
        for change in changes {
            let event = Event {
                revision: self.state.revision() + 1,
                at_ms: 0,
                change,
            };
            self.state.apply(&event).unwrap();
            self.events.push(event);
        }
    }
}

pub(crate) fn identity(kind: &str, name: &str) -> Identity {
    Identity {
        kind: kind.parse().unwrap(),
        namespace: "default".parse().unwrap(),
        name: name.parse().unwrap(),
    }
}

fn document(kind: &str, name: &str, spec: Value) -> Value {
    json!({"apiVersion": "weir.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec})
}

pub(crate) fn gateway(name: &str) -> Value {
    document(
        "Gateway",
        name,
        json!({"listeners": [{"port": 10000}], "routes": [{"name": "all"}]}),
    )
}

/// A Gateway with providers of these names, whose keys are fetched from the Backend `id`.
pub(crate) fn verifying_gateway(name: &str, providers: &[&str]) -> Value {
    let provider = |name: &&str| {
        let remote = json!({"backend": "id", "path": "/keys", "cacheDuration": "1m", "timeout": "2s"});
        json!({"name": name, "issuer": format!("https://{name}.example.com"), "jwks": {"remote": remote}})
    };
    let providers: Vec<Value> = providers.iter().map(provider).collect();
    let mut gateway = gateway(name);
    gateway["spec"]["jwt"] = json!({ "providers": providers });
    gateway
}

/// A primary on `port` and a replica on the next.
pub(crate) fn backend(name: &str, port: u16) -> Value {
    let endpoints = json!([
        {"address": "127.0.0.1", "port": port, "role": "primary"},
        {"address": "127.0.0.1", "port": port + 1}
    ]);
    document("Backend", name, json!({"endpoints": endpoints}))
}

/// A map whose shards have the names of their Backends.
pub(crate) fn shard_map(name: &str, gateway: &str, backends: &[&str]) -> Value {
    let shards: Vec<Value> = backends
        .iter()
        .map(|backend| json!({"name": backend, "backend": backend}))
        .collect();
    document(
        "ShardMap",
        name,
        json!({
            "targetRefs": [{"group": "weir.dev", "kind": "Gateway", "name": gateway}],
            "key": {"sources": [{"header": "x-user-id"}]},
            "strategy": {"hash": {"algorithm": "ring-v1"}},
            "shards": shards
        }),
    )
}

pub(crate) fn cache_policy(name: &str, spec: &Value) -> Value {
    document("CachePolicy", name, spec.clone())
}

pub(crate) fn hedge_policy(name: &str, spec: &Value) -> Value {
    document("HedgePolicy", name, spec.clone())
}

pub(crate) fn cluster_resource(name: &str, cluster: &str) -> Value {
    let resource = json!({"@type": "type.googleapis.com/envoy.config.cluster.v3.Cluster", "name": cluster,
                          "connectTimeout": "1s"});
    document("EnvoyResource", name, json!({"resource": resource}))
}
