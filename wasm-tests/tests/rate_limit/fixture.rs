//! A process that runs the filter, and configurations for it.

use std::time::Duration;

use serde_json::{Value, json};
use weir_wasm_tests::{Fault, Fleet, Module, Plugin, Process, Request, RequestOutcome, Status};

pub(crate) const SLOT: &str = "weir/default/edge/rate-limit";
/// The `vm_id` of the filter's VMs.
pub(crate) const VM: &str = "weir.rate-limit";

/// The filter on some workers.
pub(crate) struct Limited {
    pub(crate) fleet: Fleet,
    pub(crate) process: Process,
    pub(crate) plugin: Plugin,
}

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Passed,
    /// 429.
    Limited,
    /// 503: there was no quota to look at, or no share of one.
    Unavailable,
    /// 400.
    KeyMissing,
}

impl Limited {
    pub(crate) fn on(workers: usize, configuration: &Value) -> Self {
        let fleet = Fleet::new();
        Self::of(&fleet, fleet.process(workers), configuration)
    }

    pub(crate) fn of(fleet: &Fleet, process: Process, configuration: &Value) -> Self {
        let module = Module::packed("rate-limit").unwrap_or_else(|error| panic!("{error}"));
        let plugin = process.load(&module);
        let fleet = fleet.clone();
        let limited = Self {
            fleet,
            process,
            plugin,
        };
        limited.configure(configuration);
        limited
    }

    pub(crate) fn configure(&self, configuration: &Value) {
        let taken = self.plugin.configure(configuration.to_string());
        taken.unwrap_or_else(|error| panic!("{error}"));
    }

    pub(crate) fn outcome(&self, worker: usize, request: &Request) -> RequestOutcome {
        let outcome = self.plugin.worker(worker).request(request.clone());
        outcome.unwrap_or_else(|error| panic!("{error}"))
    }

    pub(crate) fn ask(&self, worker: usize, request: &Request) -> Verdict {
        verdict(&self.outcome(worker, request))
    }

    pub(crate) fn passes(&self, worker: usize, request: &Request) -> bool {
        self.ask(worker, request) == Verdict::Passed
    }

    /// How many pass before one is limited, at this very time; the workers take turns.
    pub(crate) fn drain(&self, request: &Request) -> u64 {
        let workers = self.plugin.workers().count();
        let mut passed = 0;
        while self.passes(usize::try_from(passed).unwrap() % workers, request) {
            passed += 1;
            assert!(passed < 100_000, "no limit");
        }
        passed
    }

    pub(crate) fn advance(&self, milliseconds: u64) {
        self.process
            .advance(Duration::from_millis(milliseconds))
            .unwrap_or_else(|error| panic!("{error}"));
    }

    /// `weir_limit_decisions_total` of the limit `default/<policy>/<limit>`, once the workers have told it.
    pub(crate) fn counted(&self, outcome: &str, policy: &str, limit: &str) -> u64 {
        self.advance(1_100);
        let family = "weir_limit_decisions_total.filter.rate-limit.outcome";
        let name = format!("{family}.{outcome}.policy.default_{policy}.limit.{limit}");
        self.process.counter(&name).unwrap_or(0)
    }

    pub(crate) fn fail(&self, function: &str, status: Status) {
        self.process.fault(Fault::of(function, status));
    }
}

pub(crate) fn verdict(outcome: &RequestOutcome) -> Verdict {
    let answer = outcome.local_response.as_ref();
    match answer.map(|answer| (answer.status, answer.grpc_status)) {
        None => Verdict::Passed,
        Some((429, None | Some(8))) => Verdict::Limited,
        Some((503, None | Some(14))) => Verdict::Unavailable,
        Some((400, None | Some(3))) => Verdict::KeyMissing,
        Some(other) => panic!("{other:?}"),
    }
}

/// One policy, `default/api`, for every request, with these limits.
pub(crate) fn slot(limits: &[Value]) -> Value {
    slot_of(&json!({"default/api": policy(limits)}))
}

/// Each policy for every request.
pub(crate) fn slot_of(policies: &Value) -> Value {
    let names = policies.as_object().unwrap().keys();
    let rules: Vec<Value> = names.map(|name| json!({"policy": name})).collect();
    json!({"format": 1, "slot": SLOT, "generation": 1, "rules": rules, "policies": policies})
}

pub(crate) fn policy(limits: &[Value]) -> Value {
    json!({"onError": "allow", "headers": {}, "maxKeys": 1_000, "limits": limits})
}

/// A limit by the header `x-user`.
pub(crate) fn by_user(quota: Value) -> Value {
    limit("user", json!([{"header": "x-user"}]), quota)
}

pub(crate) fn limit(name: &str, key: Value, quota: Value) -> Value {
    json!({"name": name, "key": key, "onMissingKey": "shared", "cost": {}, "quota": quota})
}

/// With `value` at this place.
pub(crate) fn with(mut document: Value, field: &str, value: Value) -> Value {
    document[field] = value;
    document
}

pub(crate) fn rate(requests: u64, window_ms: u64, burst: u64) -> Value {
    json!({"rate": {"requests": requests, "windowMs": window_ms, "burst": burst}})
}

pub(crate) fn user(name: impl AsRef<[u8]>) -> Request {
    Request::get("/orders").header("x-user", name)
}

/// Whether the policy lets requests pass that it can't count.
pub(crate) fn on_error(mut configuration: Value, what: &str) -> Value {
    configuration["policies"]["default/api"]["onError"] = what.into();
    configuration
}

/// With a control plane.
pub(crate) fn controlled(configuration: Value) -> Value {
    with(
        configuration,
        "control",
        json!({"cluster": crate::control::CLUSTER}),
    )
}
