//! A process that runs the filter, and configurations for it.

use serde_json::{Value, json};
use weir_wasm_tests::{HostError, Module, Plugin, Process, Request, RequestOutcome};

/// The filter on two workers.
pub(crate) struct Router {
    pub(crate) process: Process,
    pub(crate) plugin: Plugin,
}

impl Router {
    /// Not configured yet.
    pub(crate) fn load() -> Self {
        let module = Module::packed("shard-router").unwrap_or_else(|error| panic!("{error}"));
        let process = Process::new(2);
        let plugin = process.load(&module);
        Self { process, plugin }
    }

    pub(crate) fn with(configuration: &Value) -> Self {
        let router = Self::load();
        router
            .configure(configuration)
            .unwrap_or_else(|error| panic!("{error}"));
        router
    }

    pub(crate) fn configure(&self, configuration: &Value) -> Result<(), HostError> {
        self.plugin.configure(configuration.to_string())
    }

    /// What both workers make of a request: the same, or it is a failure.
    pub(crate) fn request(&self, request: Request) -> RequestOutcome {
        let mut outcomes = self.plugin.workers().map(|worker| {
            let outcome = worker.request(request.clone());
            outcome.unwrap_or_else(|error| panic!("{error}"))
        });
        let first = outcomes.next().unwrap();
        for other in outcomes {
            assert_eq!(other, first, "workers disagree");
        }
        first
    }

    /// Cluster and shard of a request, as sent on.
    pub(crate) fn place(&self, request: Request) -> (String, String) {
        let headers = self.request(request).headers;
        let text = |name: &str| {
            headers
                .text(name)
                .unwrap_or_else(|| panic!("no {name}: {headers:?}"))
        };
        (text("x-weir-cluster"), text("x-weir-shard"))
    }
}

/// A slot whose one map places the header `x-user-id` on these shards of weight 1.
pub(crate) fn slot(generation: u64, shards: &[&str]) -> Value {
    let shards: Vec<Value> = shards.iter().map(|name| shard(name, 1)).collect();
    slot_with(generation, &json!(shards))
}

/// A slot with these compiled shards.
pub(crate) fn slot_with(generation: u64, shards: &Value) -> Value {
    json!({
        "format": 1,
        "slot": "weir/default/edge/shard-router",
        "generation": generation,
        "rules": [{"policy": "default/orders", "match": {"path": {"type": "Prefix", "value": "/orders"}}}],
        "policies": {
            "default/orders": {
                "keySources": [{"header": "x-user-id"}, {"query": "user"}],
                "onMissingKey": "reject",
                "maxKeyBytes": 8192,
                "strategy": {"hash": {"algorithm": "ring-v1"}},
                "reads": "replicas",
                "shards": shards
            }
        }
    })
}

/// The slot's only policy.
pub(crate) fn policy(slot: &mut Value) -> &mut Value {
    &mut slot["policies"]["default/orders"]
}

pub(crate) fn shard(name: &str, weight: u64) -> Value {
    json!({
        "name": name,
        "weight": weight,
        "readCluster": format!("weir/default/orders/{name}/read"),
        "writeCluster": format!("weir/default/orders/{name}/write"),
    })
}

/// `GET /orders` with a key.
pub(crate) fn keyed(key: impl AsRef<[u8]>) -> Request {
    Request::get("/orders").header("x-user-id", key)
}
