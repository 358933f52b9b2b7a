//! A process that runs the filter, and configurations for it.

use std::time::Duration;

use serde_json::{Value, json};
use weir_wasm_tests::{
    Exchange, Fault, Fleet, HttpChain, Listener, Module, Plugin, PluginOptions, Process, Request, Route,
    Status,
};

use crate::replicas::{Replicas, ms};

pub(crate) const SLOT: &str = "weir/default/edge/request-hedge";
pub(crate) const POLICY: &str = "default/reads";
/// The cluster of the policy, and one that it is not for.
pub(crate) const READ: &str = "orders-read";
pub(crate) const WRITE: &str = "orders-write";
/// The delay of [`plain`], milliseconds.
pub(crate) const DELAY_MS: u64 = 20;
/// Everything that is counted for a request.
pub(crate) const DECISIONS: [&str; 7] = [
    "armed", "unfit", "cold", "overload", "timeout", "budget", "failed",
];

/// The filter on some workers, before replicas.
pub(crate) struct Hedged {
    pub(crate) fleet: Fleet,
    pub(crate) process: Process,
    pub(crate) plugin: Plugin,
    pub(crate) listener: Listener,
    pub(crate) replicas: Replicas,
}

impl Hedged {
    /// After some seconds with a request now and then: there are tokens.
    pub(crate) fn on(workers: usize, configuration: &Value) -> Self {
        let hedged = Self::cold(workers, configuration);
        hedged.warm();
        hedged
    }

    /// Before any request.
    pub(crate) fn cold(workers: usize, configuration: &Value) -> Self {
        Self::limited(
            workers,
            configuration,
            PluginOptions::of(&module()).fuel_per_callback,
        )
    }

    /// The same, with so much fuel for one callback.
    pub(crate) fn limited(workers: usize, configuration: &Value, fuel_per_callback: u64) -> Self {
        let fleet = Fleet::new();
        let process = fleet.process(workers);
        let module = module();
        let options = PluginOptions {
            fuel_per_callback,
            ..PluginOptions::of(&module)
        };
        let plugin = process.load_with(&module, options);
        let replicas = Replicas::new();
        process.cluster(READ, replicas.cluster());
        process.cluster(WRITE, replicas.cluster());
        let listener = listener(&process, &plugin);
        let hedged = Self {
            fleet,
            process,
            plugin,
            listener,
            replicas,
        };
        hedged.configure(configuration);
        hedged
    }

    /// Requests that are answered at once, until every worker can arm some.
    pub(crate) fn warm(&self) {
        for _ in 0..4 {
            for worker in 0..self.workers() {
                self.ask(worker, Request::get("/warm"));
            }
            self.advance(1_000);
        }
    }

    pub(crate) fn workers(&self) -> usize {
        self.plugin.workers().count()
    }

    pub(crate) fn configure(&self, configuration: &Value) {
        let taken = self.plugin.configure(configuration.to_string());
        taken.unwrap_or_else(|error| panic!("{error}"));
    }

    /// The same process with another build of the module: new VMs, over the same shared data.
    pub(crate) fn reload(&mut self, configuration: &Value) {
        let module = module();
        let options = PluginOptions {
            vm_configuration: b"another".to_vec(),
            ..PluginOptions::of(&module)
        };
        self.plugin = self.process.load_with(&module, options);
        self.listener = listener(&self.process, &self.plugin);
        self.configure(configuration);
    }

    /// A request, until its end: answered 200 once, by the whole answer of one of its tries.
    pub(crate) fn ask(&self, worker: usize, request: Request) -> Exchange {
        let exchange = self.listener.request(worker, request).unwrap();
        assert_whole(&exchange);
        exchange
    }

    /// `GET /a`, until its end: how many tries there were.
    pub(crate) fn tries(&self, worker: usize) -> usize {
        self.ask(worker, Request::get("/a")).upstream_requests().len()
    }

    /// A request that is under way.
    pub(crate) fn send(&self, worker: usize, request: Request) -> Exchange {
        self.listener.send(worker, request)
    }

    /// A `GET` every so many milliseconds, `count` of them; the workers take turns.
    pub(crate) fn stream(&self, count: usize, every_ms: u64) -> Vec<Exchange> {
        let one = |number: usize| {
            let exchange = self.send(number % self.workers(), Request::get("/a"));
            self.advance(every_ms);
            exchange
        };
        (0..count).map(one).collect()
    }

    pub(crate) fn advance(&self, milliseconds: u64) {
        self.process
            .advance(ms(milliseconds))
            .unwrap_or_else(|error| panic!("{error}"));
    }

    /// `weir_hedge_decisions_total`, once the workers have told it.
    pub(crate) fn decided(&self, decision: &str) -> u64 {
        self.counted(&format!(
            "decisions_total.filter.request-hedge.decision.{decision}"
        ))
    }

    /// `weir_hedge_hedges_total`, once the workers have told it.
    pub(crate) fn hedges(&self, outcome: &str) -> u64 {
        self.counted(&format!("hedges_total.filter.request-hedge.outcome.{outcome}"))
    }

    /// All decisions together.
    pub(crate) fn decisions(&self) -> u64 {
        DECISIONS.iter().map(|decision| self.decided(decision)).sum()
    }

    pub(crate) fn counted(&self, name: &str) -> u64 {
        self.advance(1_100);
        let name = format!("weir_hedge_{name}.policy.default_reads");
        self.process.counter(&name).unwrap_or(0)
    }

    /// The gauge of the delay in force, milliseconds.
    pub(crate) fn delay(&self) -> u64 {
        self.advance(1_100);
        let name = format!("weir_hedge_delay_ms.filter.request-hedge.policy.default_reads.cluster.{READ}");
        self.process.gauge(&name).unwrap()
    }

    pub(crate) fn fail(&self, function: &str, status: Status) {
        self.process.fault(Fault::of(function, status));
    }
}

fn module() -> Module {
    Module::packed("request-hedge").unwrap_or_else(|error| panic!("{error}"))
}

/// `/write` goes to [`WRITE`], everything else to [`READ`].
fn listener(process: &Process, plugin: &Plugin) -> Listener {
    let chain = HttpChain::new().filter(plugin);
    let to = |path: &str, cluster: &str| Route::prefix(path).cluster(cluster).retry_backoff(Duration::ZERO);
    process.listener(chain.route(to("/write", WRITE)).route(to("/", READ)))
}

/// It was answered once, 200, by the whole answer of one of its tries; of the others nothing is left.
pub(crate) fn assert_whole(exchange: &Exchange) {
    assert!(exchange.is_complete(), "{exchange}");
    let response = exchange.response().unwrap();
    let tries = exchange.upstream_requests();
    let body = String::from_utf8(response.body).unwrap();
    let is_of = |number: &u64| body.ends_with(&format!(" {number}"));
    let of = (1..=tries.len() as u64).find(is_of);
    assert!(response.status == 200 && of.is_some(), "{exchange}");
    for request in &tries {
        assert_eq!(request.reset, Some(request.attempt) != of, "{exchange}");
        assert!(request.complete, "{exchange}");
    }
}

/// When the second try left, milliseconds after the first.
pub(crate) fn hedged_after(exchange: &Exchange) -> Option<u64> {
    let [first, second] = &exchange.upstream_requests()[..] else {
        return None;
    };
    Some(u64::try_from((second.at - first.at).as_millis()).unwrap())
}

/// One policy for every request.
pub(crate) fn slot(policy: &Value) -> Value {
    json!({
        "format": 1, "slot": SLOT, "generation": 1,
        "rules": [{"policy": POLICY}], "policies": {POLICY: policy}
    })
}

/// Its delay is always [`DELAY_MS`].
pub(crate) fn policy() -> Value {
    json!({
        "quantilePpm": 980_000, "minDelayMs": DELAY_MS, "maxDelayMs": DELAY_MS, "coldStartDelayMs": DELAY_MS,
        "budget": {"ppm": 20_000, "minPerSecond": 10},
        "methods": ["GET", "HEAD", "OPTIONS"], "idempotentHeaders": ["idempotency-key"],
        "maxRequestBodyBytes": 1_000,
        "overload": {"errorPpm": 200_000, "latencyFactorPpm": 2_000_000},
        "maxRetries": 1, "clusters": [READ], "routeTimeoutsMs": {"orders": 15_000}
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

/// Without what stands at this name.
pub(crate) fn without(mut document: Value, name: &str) -> Value {
    document.as_object_mut().unwrap().remove(name);
    document
}

/// The plain policy with a change.
pub(crate) fn plain_with(pointer: &str, value: Value) -> Value {
    slot(&with(policy(), pointer, value))
}

/// The same, as the next generation.
pub(crate) fn next(configuration: &Value, generation: u64) -> Value {
    with(configuration.clone(), "/generation", generation.into())
}
