//! A process that runs the filter, and configurations for it.

use serde_json::{Value, json};
use weir_wasm_tests::{
    Exchange, Fault, Fleet, HttpChain, Listener, Module, Plugin, PluginOptions, Process, Request, Response,
    Route, Status,
};

use crate::origin::{Origin, ms};

pub(crate) const SLOT: &str = "weir/default/edge/edge-cache";
/// The cluster that the route leads to.
pub(crate) const ORIGIN: &str = "origin";
/// The cluster of [`controlled`].
pub(crate) const CONTROL: &str = "weir-control";
pub(crate) const POLICY: &str = "default/products";

/// The filter on some workers, before an origin.
pub(crate) struct Cached {
    pub(crate) fleet: Fleet,
    pub(crate) process: Process,
    pub(crate) plugin: Plugin,
    pub(crate) listener: Listener,
    pub(crate) origin: Origin,
}

impl Cached {
    /// After the first ticks: each worker has its queue.
    pub(crate) fn on(workers: usize, configuration: &Value) -> Self {
        let cached = Self::cold(workers, configuration);
        cached.advance(20);
        cached
    }

    /// Before any tick.
    pub(crate) fn cold(workers: usize, configuration: &Value) -> Self {
        let fleet = Fleet::new();
        let process = fleet.process(workers);
        let module = Module::packed("edge-cache").unwrap_or_else(|error| panic!("{error}"));
        let plugin = process.load(&module);
        let origin = Origin::new();
        process.cluster(ORIGIN, origin.cluster());
        let listener = listener(&process, &plugin);
        let cached = Self {
            fleet,
            process,
            plugin,
            listener,
            origin,
        };
        cached.configure(configuration);
        cached
    }

    pub(crate) fn configure(&self, configuration: &Value) {
        let taken = self.plugin.configure(configuration.to_string());
        taken.unwrap_or_else(|error| panic!("{error}"));
    }

    /// The same process with another build of the module: new VMs, over the same shared data. Streams that are open stay in
    /// the former ones.
    pub(crate) fn reload(&mut self, configuration: &Value) {
        let module = Module::packed("edge-cache").unwrap_or_else(|error| panic!("{error}"));
        let options = PluginOptions {
            vm_configuration: b"another".to_vec(),
            ..PluginOptions::of(&module)
        };
        self.plugin = self.process.load_with(&module, options);
        self.listener = listener(&self.process, &self.plugin);
        self.configure(configuration);
    }

    /// A request, until its end.
    pub(crate) fn ask(&self, worker: usize, request: Request) -> Response {
        let exchange = self.listener.request(worker, request).unwrap();
        assert!(exchange.is_complete(), "{exchange}");
        exchange.response().unwrap()
    }

    /// `GET path`, until its end.
    pub(crate) fn get(&self, worker: usize, path: &str) -> Response {
        self.ask(worker, Request::get(path))
    }

    /// A request that is under way.
    pub(crate) fn send(&self, worker: usize, request: Request) -> Exchange {
        self.listener.send(worker, request)
    }

    /// So many `GET path` at once; the workers take turns.
    pub(crate) fn crowd(&self, count: usize, path: &str) -> Vec<Exchange> {
        self.crowd_of(count, |_| Request::get(path))
    }

    pub(crate) fn crowd_of(&self, count: usize, request: impl Fn(usize) -> Request) -> Vec<Exchange> {
        let workers = self.plugin.workers().count();
        (0..count)
            .map(|number| self.send(number % workers, request(number)))
            .collect()
    }

    pub(crate) fn advance(&self, milliseconds: u64) {
        self.process
            .advance(ms(milliseconds))
            .unwrap_or_else(|error| panic!("{error}"));
    }

    /// A counter of the policy, once the workers have told it.
    pub(crate) fn counted(&self, family: &str, outcome: &str) -> u64 {
        self.advance(1_100);
        let policy = POLICY.replace('/', "_");
        let key = if family == "not_stored" {
            "reason"
        } else {
            "outcome"
        };
        let name = format!("weir_cache_{family}_total.filter.edge-cache.policy.{policy}.{key}.{outcome}");
        self.process.counter(&name).unwrap_or(0)
    }

    pub(crate) fn fail(&self, function: &str, status: Status) {
        self.process.fault(Fault::of(function, status));
    }
}

fn listener(process: &Process, plugin: &Plugin) -> Listener {
    let chain = HttpChain::new().filter(plugin);
    process.listener(chain.route(Route::prefix("/").cluster(ORIGIN)))
}

/// Every one has ended with a whole answer, and its status.
pub(crate) fn statuses(exchanges: &[Exchange]) -> Vec<u16> {
    let ended = |exchange: &Exchange| {
        assert!(exchange.is_complete(), "{exchange}");
        exchange.status()
    };
    exchanges.iter().map(ended).collect()
}

/// All have the answer 200 with this body.
pub(crate) fn assert_all(exchanges: &[Exchange], body: &str) {
    for exchange in exchanges {
        assert!(exchange.is_complete(), "{exchange}");
        let response = exchange.response().unwrap();
        assert_eq!((response.status, text(&response)), (200, body), "{exchange}");
    }
}

pub(crate) fn text(response: &Response) -> &str {
    std::str::from_utf8(&response.body).unwrap()
}

/// What `Cache-Status` says.
pub(crate) fn cache_status(response: &Response) -> String {
    response.headers.text("cache-status").unwrap_or_default()
}

pub(crate) fn is_hit(response: &Response) -> bool {
    cache_status(response).starts_with("weir; hit")
}

/// One policy for every request.
pub(crate) fn slot(policy: &Value) -> Value {
    json!({
        "format": 1, "slot": SLOT, "generation": 1,
        "rules": [{"policy": POLICY}], "policies": {POLICY: policy}
    })
}

pub(crate) fn policy() -> Value {
    json!({
        "key": {"version": 1, "query": "all"},
        "ttl": {"hitForMissMs": 10_000},
        "stale": {"whileRevalidateMs": 0, "ifErrorMs": 0},
        "tags": {"headers": ["surrogate-key"]},
        "targets": ["weir-cache-control", "cdn-cache-control"],
        "limits": {"objectBytes": 65_536, "totalBytes": 8_388_608, "objects": 4_096},
        "coalesce": {"maxWaiters": 1_000, "timeoutMs": 5_000},
        "callTimeoutMs": 2_000
    })
}

/// The plain policy in a slot.
pub(crate) fn plain() -> Value {
    slot(&policy())
}

/// With `value` at this pointer.
pub(crate) fn with(mut document: Value, pointer: &str, value: Value) -> Value {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    document.pointer_mut(parent).unwrap()[name] = value;
    document
}

/// The plain policy with a change.
pub(crate) fn plain_with(pointer: &str, value: Value) -> Value {
    slot(&with(policy(), pointer, value))
}

/// With a control plane.
pub(crate) fn controlled(configuration: Value) -> Value {
    with(configuration, "/control", json!({"cluster": CONTROL}))
}

/// The same, as the next generation.
pub(crate) fn next(configuration: Value) -> Value {
    let generation = configuration["generation"].as_u64().unwrap() + 1;
    with(configuration, "/generation", generation.into())
}
