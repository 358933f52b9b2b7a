//! Runs a history in the host, and holds every answer against the model.

use std::rc::Rc;
use std::time::Duration;

use weir_wasm_tests::{
    Action, HeaderMap, HostError, Module, Passed, Plugin, Process, RequestOutcome, Stream,
};

use crate::asked::Asked;
use crate::configuration::Configuration;
use crate::history::{History, Step};
use crate::model::{Expected, Model, Taken};

const IN_FORCE: &str = "weir_generation_in_force.filter.shard-router";
const DRAINING: &str = "weir_generation_draining.filter.shard-router";
const HOST_ERRORS: &str = "weir_requests_total.filter.shard-router.outcome.host-error";
/// By then every worker has ticked.
const EVERY_TICK: u64 = 1_100;

/// What was seen: for comparison with another run of the same history.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Trace {
    pub(crate) lines: Vec<String>,
    /// Requests sent.
    pub(crate) requests: u64,
}

/// Why a history is a failure.
pub(crate) type Violation = String;

/// An open stream.
struct Open {
    stream: Stream,
    outcome: RequestOutcome,
    under: Rc<Taken>,
}

struct Run {
    process: Process,
    plugin: Plugin,
    model: Model,
    streams: Vec<Open>,
    /// The bytes of every configuration that came.
    delivered: Vec<Vec<u8>>,
    refused: usize,
    last: Asked,
    trace: Trace,
}

/// Runs `history` in a process of its own.
pub(crate) fn run(history: &History) -> Result<Trace, Violation> {
    let mut run = Run::new(history.workers);
    for (place, step) in history.steps.iter().enumerate() {
        run.step(step).map_err(|why| format!("step {place}: {why}"))?;
    }
    run.end().map_err(|why| format!("at the end: {why}"))?;
    Ok(run.trace)
}

fn ensure(holds: bool, why: impl FnOnce() -> String) -> Result<(), Violation> {
    if holds { Ok(()) } else { Err(why()) }
}

fn told<T>(result: Result<T, HostError>) -> Result<T, Violation> {
    result.map_err(|error| error.to_string())
}

impl Run {
    fn new(workers: usize) -> Self {
        let process = Process::new(workers);
        let plugin = process.load(&Module::packed("shard-router").unwrap_or_else(|error| panic!("{error}")));
        Self {
            process,
            plugin,
            model: Model::new(workers),
            streams: Vec::new(),
            delivered: Vec::new(),
            refused: 0,
            last: Asked::get(b"/"),
            trace: Trace::default(),
        }
    }

    fn workers(&self) -> usize {
        self.plugin.workers().count()
    }

    fn step(&mut self, step: &Step) -> Result<(), Violation> {
        let workers = self.workers();
        match step {
            Step::Configure(configuration) => self.configure(configuration),
            Step::Open { worker, request } => self.open(worker % workers, request),
            Step::RequestBody { stream, chunk, end } => self.request_body(*stream, &chunk.bytes(), *end),
            Step::ResponseHeaders { stream, headers } => {
                let status = (":status".to_owned(), b"200".to_vec());
                let own = headers.iter().map(|(name, value)| (name.clone(), value.bytes()));
                self.response_headers(*stream, std::iter::once(status).chain(own).collect())
            }
            Step::ResponseBody { stream, chunk, end } => self.response_body(*stream, &chunk.bytes(), *end),
            Step::Finish { stream } => self.finish(*stream),
            Step::Stall { worker } => {
                self.model.stall(worker % workers);
                self.plugin.worker(worker % workers).stall();
                Ok(())
            }
            Step::Resume { worker } => self.resume(worker % workers),
            Step::Advance { milliseconds } => self.advance(*milliseconds),
        }
    }

    /// Taken exactly when the filter's logic takes it; otherwise refused, and nothing changes.
    fn configure(&mut self, configuration: &Configuration) -> Result<(), Violation> {
        let bytes = self.bytes(configuration);
        self.delivered.push(bytes.clone());
        let result = self.plugin.configure(bytes.clone());
        self.trace.lines.push(format!("{result:?}"));
        let forbidden = matches!(configuration, Configuration::Forbidden(_));
        match (Taken::try_new(&bytes).filter(|_| !forbidden), result) {
            (Some(taken), Ok(())) => self.model.configure(&taken),
            (None, Err(HostError::Refused { .. })) => self.refused += 1,
            (None, Ok(())) => return Err("a broken configuration was taken".to_owned()),
            (_, Err(error)) => return Err(error.to_string()),
        }
        (0..self.workers()).try_for_each(|worker| self.ask_again(worker))
    }

    fn bytes(&self, configuration: &Configuration) -> Vec<u8> {
        match configuration {
            Configuration::Json(json) => json.to_string().into_bytes(),
            Configuration::Bytes(text) | Configuration::Forbidden(text) => text.bytes(),
            Configuration::Again(place) => {
                let known = self.delivered.get(*place).or(self.delivered.last());
                known.cloned().unwrap_or_default()
            }
        }
    }

    fn open(&mut self, worker: usize, request: &Asked) -> Result<(), Violation> {
        self.last = request.clone();
        if let Some(open) = self.opened(worker, request)? {
            self.streams.push(open);
        }
        Ok(())
    }

    /// The last request, ended at once: a worker shows which configuration it serves with.
    fn ask_again(&mut self, worker: usize) -> Result<(), Violation> {
        let request = self.last.clone();
        match self.opened(worker, &request)? {
            Some(open) => told(open.stream.finish()),
            None => Ok(()),
        }
    }

    fn opened(&mut self, worker: usize, request: &Asked) -> Result<Option<Open>, Violation> {
        let result = self.plugin.worker(worker).open(request.request());
        let (stream, under) = match (self.model.serving(worker), result) {
            (Some(under), Ok(stream)) => (stream, under),
            (None, Err(HostError::NotConfigured { .. })) => return Ok(None),
            (None, Ok(_)) => return Err(format!("worker {worker} serves without a configuration")),
            (_, Err(error)) => return Err(error.to_string()),
        };
        self.trace.requests += 1;
        let outcome = stream.outcome();
        let (expected, counter) = under.expected(request);
        check_outcome(&expected, request, &outcome, &under)?;
        self.trace.lines.push(format!("{outcome:?}"));
        self.model.count(counter);
        Ok(Some(Open {
            stream,
            outcome,
            under,
        }))
    }

    /// The stream at `place` modulo their number.
    fn at(&self, place: usize) -> Option<&Open> {
        self.streams.get(place.checked_rem(self.streams.len())?)
    }

    fn request_body(&mut self, place: usize, chunk: &[u8], end: bool) -> Result<(), Violation> {
        let Some(open) = self.at(place) else {
            return Ok(());
        };
        check_body(open, chunk, told(open.stream.request_body(chunk, end))?)
    }

    fn response_headers(&mut self, place: usize, headers: HeaderMap) -> Result<(), Violation> {
        let Some(open) = self
            .at(place)
            .filter(|open| open.outcome.local_response.is_none())
        else {
            return Ok(());
        };
        let passed = told(open.stream.response_headers(headers.clone(), false))?;
        ensure(
            passed.action == Action::Continue && passed.content == headers,
            || format!("the response's headers were changed: {passed:?}"),
        )
    }

    fn response_body(&mut self, place: usize, chunk: &[u8], end: bool) -> Result<(), Violation> {
        let Some(open) = self
            .at(place)
            .filter(|open| open.outcome.local_response.is_none())
        else {
            return Ok(());
        };
        check_body(open, chunk, told(open.stream.response_body(chunk, end))?)
    }

    fn finish(&mut self, place: usize) -> Result<(), Violation> {
        let Some(place) = place.checked_rem(self.streams.len()) else {
            return Ok(());
        };
        let open = self.streams.remove(place);
        ensure(open.stream.outcome() == open.outcome, || {
            format!(
                "a request changed after it was judged: {:?}",
                open.stream.outcome()
            )
        })?;
        told(open.stream.finish())
    }

    fn resume(&mut self, worker: usize) -> Result<(), Violation> {
        self.model.resume(worker);
        told(self.plugin.worker(worker).resume())?;
        self.ask_again(worker)
    }

    fn advance(&mut self, milliseconds: u64) -> Result<(), Violation> {
        told(self.process.advance(Duration::from_millis(milliseconds)))?;
        self.trace.lines.push(format!("{:?}", self.gauges()));
        match self.model.generation() {
            Some(generation) if milliseconds >= EVERY_TICK => self.check_gauges(generation),
            _ => Ok(()),
        }
    }

    fn gauges(&self) -> (Option<u64>, Option<u64>) {
        (self.process.gauge(IN_FORCE), self.process.gauge(DRAINING))
    }

    fn check_gauges(&self, generation: u64) -> Result<(), Violation> {
        let older = |open: &&Open| open.under.router.generation() != generation;
        let draining = self.streams.iter().filter(older).count() as u64;
        ensure(self.gauges() == (Some(generation), Some(draining)), || {
            let found = self.gauges();
            format!("gauges {found:?}: expected generation {generation}, {draining} requests draining")
        })
    }

    /// Lets everything come to rest; then counters, gauges, logs and shared data have to add up.
    fn end(&mut self) -> Result<(), Violation> {
        (0..self.workers()).try_for_each(|worker| self.resume(worker))?;
        while !self.streams.is_empty() {
            self.finish(0)?;
        }
        self.advance(2 * EVERY_TICK)?;
        if let Some(generation) = self.model.last_generation() {
            self.check_gauges(generation)?;
        }
        self.check_counters()?;
        self.check_logs()?;
        self.check_shared_data()
    }

    fn check_counters(&mut self) -> Result<(), Violation> {
        for (name, expected) in self.model.counted() {
            let found = self.process.counter(name);
            ensure(found == Some(*expected), || {
                format!("{name} is {found:?}: expected {expected}")
            })?;
            self.trace.lines.push(format!("{name} {expected}"));
        }
        let sum: u64 = self.model.counted().values().sum();
        let errors = self.process.counter(HOST_ERRORS).unwrap_or(0);
        ensure(sum == self.trace.requests && errors == 0, || {
            format!(
                "{sum} of {} requests counted, {errors} host errors",
                self.trace.requests
            )
        })
    }

    /// One line for each refused configuration, and no other.
    fn check_logs(&mut self) -> Result<(), Violation> {
        let logs = self.process.logs();
        let of_refusal = |text: &str| text.starts_with("shard-router: configuration refused: ");
        let stray = logs.iter().find(|line| !of_refusal(&line.text));
        ensure(stray.is_none() && logs.len() == self.refused, || {
            format!(
                "{} lines logged for {} refusals: {stray:?}",
                logs.len(),
                self.refused
            )
        })?;
        self.trace
            .lines
            .extend(logs.iter().map(|line| format!("{line:?}")));
        Ok(())
    }

    /// One key for each slot, and a few bytes for each worker.
    fn check_shared_data(&mut self) -> Result<(), Violation> {
        let expected: Vec<String> = self
            .model
            .slots()
            .iter()
            .map(|slot| format!("{slot}/workers"))
            .collect();
        let mut found = self.process.shared_keys("weir.shard-router");
        found.sort();
        ensure(found.iter().all(|key| expected.contains(key)), || {
            format!("shared keys {found:?}: expected {expected:?}")
        })?;
        for key in found {
            let value = self
                .process
                .shared_data("weir.shard-router", &key)
                .unwrap_or_default();
            ensure(value.len() <= 32 + 32 * self.workers(), || {
                format!("{key:?} has grown to {} bytes", value.len())
            })?;
            self.trace.lines.push(format!("{key} {value:?}"));
        }
        Ok(())
    }
}

/// A chunk goes on as it is, unless the filter has answered the request.
fn check_body(open: &Open, chunk: &[u8], passed: Passed<Vec<u8>>) -> Result<(), Violation> {
    let expected = match open.outcome.local_response {
        Some(_) => (Action::Pause, &[][..]),
        None => (Action::Continue, chunk),
    };
    ensure((passed.action, &passed.content[..]) == expected, || {
        format!("a chunk of {} bytes: {passed:?}", chunk.len())
    })
}

fn check_outcome(
    expected: &Expected,
    request: &Asked,
    outcome: &RequestOutcome,
    under: &Taken,
) -> Result<(), Violation> {
    let fits = match expected {
        Expected::Reject => is_rejection(outcome),
        Expected::Forward { .. } | Expected::NoRule => {
            outcome.local_response.is_none()
                && outcome.action == Action::Continue
                && sorted(&outcome.headers) == sent_on(expected, request)
        }
    };
    ensure(fits, || format!("expected {expected:?}, found {outcome:?}"))?;
    let strange = outcome
        .headers
        .values("x-weir-cluster")
        .map(String::from_utf8_lossy);
    let strange = strange
        .filter(|cluster| !under.clusters.contains(&**cluster))
        .count();
    ensure(is_rejection(outcome) || strange == 0, || {
        format!("a cluster that nobody configured: {outcome:?}")
    })
}

/// The request's own headers without those that only the filter may set, and those.
fn sent_on(expected: &Expected, request: &Asked) -> Vec<(String, Vec<u8>)> {
    let mut headers = request.received();
    headers.retain(|(name, _)| !name.starts_with("x-weir-"));
    if let Expected::Forward { cluster, shard } = expected {
        headers.push(("x-weir-cluster".to_owned(), cluster.clone().into_bytes()));
        headers.push(("x-weir-shard".to_owned(), shard.clone().into_bytes()));
    }
    headers.sort();
    headers
}

fn sorted(headers: &HeaderMap) -> Vec<(String, Vec<u8>)> {
    let mut headers: Vec<_> = headers
        .iter()
        .map(|(name, value)| (name.to_owned(), value.to_vec()))
        .collect();
    headers.sort();
    headers
}

/// 400, as a problem or as a gRPC status.
fn is_rejection(outcome: &RequestOutcome) -> bool {
    let response = outcome.local_response.as_ref();
    outcome.action == Action::Pause
        && response.is_some_and(|response| {
            response.status == 400
                && !response.body.is_empty()
                && matches!(response.grpc_status, None | Some(3))
        })
}
