//! One thing that a filter is measured at.

use std::time::Duration;

use serde_json::{Value, json};
use weir_wasm_tests::{
    Answer, Cluster, HeaderMap, Module, Process, Request, Stream, UpstreamRequest, Worker,
};

use crate::table::Row;

/// Requests that go before the one that is measured: what a VM does once, it has done by then.
const WARM_UP: usize = 2;

/// Requests for the same after which a cache counts no more that it is used.
const SETTLED: usize = 8;

/// What is done, and measured, under a configuration.
pub(crate) enum What {
    /// The configuration itself, in a VM that has none yet, the canary's included.
    Configure,
    /// A request without a body, and a response 200 with headers and a body.
    Exchange(Request),
    /// The same, as the first of its VM.
    FirstExchange(Request),
    /// The same, as the first of its VM, of what another worker's has stored.
    FirstHit(Request),
    /// The second, after some of the first.
    After(Request, Request),
    /// The same, a second after the configuration.
    LaterExchange(Request),
    /// The same, and the response comes so long after the request: no tick is due meanwhile.
    SlowExchange(Request, Duration),
    /// The ticks of one second, after such a request.
    Ticks(Request),
}

pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) configuration: Value,
    pub(crate) what: What,
}

impl Case {
    pub(crate) fn exchange(name: &'static str, configuration: Value, request: Request) -> Self {
        let what = What::Exchange(request);
        Self {
            name,
            configuration,
            what,
        }
    }

    /// Its costs, in a process of its own.
    pub(crate) fn measure(&self, filter: &str) -> Row {
        let module = Module::packed(filter).unwrap_or_else(|error| panic!("{error}"));
        let process = Process::new(self.what.workers());
        process.cluster("weir-control", Cluster::new(control_plane));
        let plugin = process.load(&module);
        plugin.configure(self.configuration.to_string()).unwrap();
        self.what.prepare(plugin.workers().last());
        self.what.run(&process, plugin.worker(0));
        Row::of(self.name, &process.costs(filter))
    }
}

impl What {
    fn workers(&self) -> usize {
        if matches!(self, Self::FirstHit(_)) { 2 } else { 1 }
    }

    /// What another worker has done before.
    fn prepare(&self, other: Option<&Worker>) {
        if let (Self::FirstHit(request), Some(other)) = (self, other) {
            exchange(other, request);
        }
    }

    /// Does it; afterwards the process knows its costs alone.
    fn run(&self, process: &Process, worker: &Worker) {
        match self {
            Self::Configure => {}
            Self::FirstExchange(request) | Self::FirstHit(request) => {
                process.forget_costs();
                exchange(worker, request);
            }
            Self::After(first, request) => {
                (0..SETTLED).for_each(|_| exchange(worker, first));
                process.forget_costs();
                exchange(worker, request);
            }
            Self::LaterExchange(request) => {
                process.advance(Duration::from_secs(1)).unwrap();
                Self::Exchange(request.clone()).run(process, worker);
            }
            Self::SlowExchange(request, takes) => {
                // Some time after a tick.
                process.advance(Duration::from_millis(1_100)).unwrap();
                (0..WARM_UP).for_each(|_| exchange(worker, request));
                process.forget_costs();
                let stream = worker.open(request.clone()).unwrap();
                process.advance(*takes).unwrap();
                answer(stream);
            }
            Self::Exchange(request) => {
                (0..WARM_UP).for_each(|_| exchange(worker, request));
                process.forget_costs();
                exchange(worker, request);
            }
            Self::Ticks(request) => {
                exchange(worker, request);
                process.forget_costs();
                process.advance(Duration::from_secs(1)).unwrap();
            }
        }
    }
}

/// Holds polls for events, and grants the whole of every limit.
fn control_plane(request: &UpstreamRequest) -> Answer {
    let Ok(report) = serde_json::from_slice::<Value>(&request.body) else {
        return Answer::never();
    };
    let limits = report["limits"].as_array().unwrap().iter();
    let grant = |limit: &Value| json!({"limit": limit["limit"], "share": 1_000_000, "keys": []});
    let limits: Vec<Value> = limits.map(grant).collect();
    Answer::ok().body(json!({"leaseMs": 3_000, "proxies": 1, "limits": limits}).to_string())
}

fn exchange(worker: &Worker, request: &Request) {
    answer(worker.open(request.clone()).unwrap());
}

/// A request that the filter answers itself gets no other response.
fn answer(stream: Stream) {
    if stream.outcome().local_response.is_none() {
        let headers = [(":status", "200"), ("content-type", "text/plain")];
        stream
            .response_headers(headers.into_iter().collect::<HeaderMap>(), false)
            .unwrap();
        stream.response_body(b"hello", true).unwrap();
    }
    stream.finish().unwrap();
}
