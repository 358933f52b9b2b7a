//! The host of this crate: scenarios in virtual time.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use weir_wasm_tests::{
    Answer as Answered, Cluster as Scripted, Exchange, FailurePolicy as Policy, HeaderMap, HttpChain,
    Listener, LogLevel, PluginOptions, Process, Request, Route as Routed, UpstreamRequest,
};

use crate::envoy::FILTERS;
use crate::probes::{FailurePolicy, Probe};
use crate::scenario::{Answer, Client, Cluster, Part, Scenario, Step, Target};
use crate::trace::{self, Trace};

/// How finely time moves while a scenario waits.
const STEP: Duration = Duration::from_millis(5);
/// A condition that has not come by then doesn't come.
const DEADLINE: Duration = Duration::from_secs(60);
/// As in Envoy's driver.
const PATIENCE: Duration = Duration::from_secs(1);
const RELOAD_BACK_OFF: Duration = Duration::from_millis(1_500);

/// Runs a scenario.
pub(crate) fn run(scenario: &Scenario) -> Trace {
    let process = Process::new(1);
    process.set_log_level(LogLevel::Trace);
    for cluster in &scenario.clusters {
        process.cluster(&scenario.cluster_name(cluster.name), hosts(cluster));
    }
    let Some(listener) = listener(&process, scenario) else {
        return refused(&process, scenario);
    };
    let _ = process.advance(RELOAD_BACK_OFF);
    let run = Run { process, listener };
    let clients = run.steps(scenario);
    Trace {
        logs: logs(&run.process),
        upstreams: upstreams(&run.process, &clients, scenario),
        clients: clients.iter().map(|client| client.line(scenario)).collect(),
        stats: scenario
            .stats
            .iter()
            .map(|name| format!("{name} {}", run.process.counter(name).unwrap_or_default()))
            .collect(),
    }
}

/// The chain's listener; none when a filter refuses its configuration.
fn listener(process: &Process, scenario: &Scenario) -> Option<Listener> {
    let mut chain = HttpChain::new().virtual_host("everything");
    for (probe, name) in scenario.filters.iter().zip(FILTERS) {
        let module = probe.module(scenario.name);
        let plugin = process.load_with(
            &module,
            options(probe, name, scenario, PluginOptions::of(&module)),
        );
        plugin.configure(probe.configuration).ok()?;
        chain = chain.filter(&plugin);
    }
    let routes = scenario.routes.iter().map(|route| {
        let routed = Routed::prefix(route.prefix).name(&format!("to {}", route.prefix));
        match route.target {
            Target::Cluster(name) => routed.cluster(&scenario.cluster_name(name)),
            Target::Header(name) => routed.cluster_header(name),
        }
    });
    let rest = Routed::prefix("/")
        .name("to /")
        .cluster(&scenario.cluster_name("up"));
    let routes = routes
        .chain([rest])
        .map(|route| route.retry_backoff(Duration::from_millis(1)));
    Some(process.listener(routes.fold(chain, HttpChain::route)))
}

fn options(probe: &Probe, name: &str, scenario: &Scenario, rest: PluginOptions) -> PluginOptions {
    PluginOptions {
        name: name.to_owned(),
        root_id: name.to_owned(),
        vm_id: scenario.name.to_owned(),
        failure_policy: match probe.failure_policy {
            FailurePolicy::Closed => Policy::FailClosed,
            FailurePolicy::Open => Policy::FailOpen,
            FailurePolicy::Reload => Policy::FailReload,
        },
        allow_on_headers_stop_iteration: probe.allow_on_headers_stop_iteration,
        ..rest
    }
}

fn hosts(cluster: &Cluster) -> Scripted {
    let served = Arc::new(Mutex::new(0));
    (0..cluster.hosts).fold(Scripted::empty(), |scripted, host| {
        let (served, refuses, answers) = (Arc::clone(&served), cluster.refuses, cluster.answers.clone());
        let http1 = cluster.http1;
        scripted.host(&host.to_string(), move |_| {
            if refuses {
                return Answered::refused();
            }
            let mut served = served.lock().unwrap();
            *served += 1;
            answered(&answers[(answers.len() - 1).min(*served - 1)], http1)
        })
    })
}

fn answered(answer: &Answer, http1: bool) -> Answered {
    let Some(status) = answer.status else {
        let failed = if http1 {
            Answered::closed()
        } else {
            Answered::reset()
        };
        return failed.after(answer.after);
    };
    let headers = answer.headers.iter();
    let start = headers.fold(
        Answered::status(status).after(answer.after),
        |answered, (name, value)| answered.header(name, value),
    );
    let start = if http1 && !answer.parts.is_empty() {
        start.header("transfer-encoding", "chunked")
    } else {
        start
    };
    answer.parts.iter().fold(start, |answered, part| match part {
        Part::Chunk(text) => answered.body(*text),
        Part::Large(size) => answered.body(vec![b'x'; *size]),
        Part::Trailers(trailers) => trailers
            .iter()
            .fold(answered, |answered, (name, value)| answered.trailer(name, value)),
        Part::Reset => answered.then_reset(),
        Part::Said(_) => answered,
    })
}

fn logs(process: &Process) -> Vec<String> {
    let lines = process.logs().into_iter().filter(|line| line.worker.is_some());
    lines
        .map(|line| format!("{}: {}", line.filter, line.text))
        .collect()
}

/// What is left when there is no listener.
fn refused(process: &Process, scenario: &Scenario) -> Trace {
    let clients = scenario
        .steps
        .iter()
        .filter(|step| !matches!(step, Step::Said(..)));
    Trace {
        logs: logs(process),
        clients: clients.map(|_| "refused".to_owned()).collect(),
        ..Trace::default()
    }
}

struct Run {
    process: Process,
    listener: Listener,
}

/// A client and what it has not sent yet.
struct Sender {
    exchange: Exchange,
    parts: VecDeque<Part>,
    left: bool,
    waits: bool,
}

impl Run {
    fn steps(&self, scenario: &Scenario) -> Vec<Sender> {
        let mut senders: Vec<Sender> = Vec::new();
        for step in &scenario.steps {
            match step {
                Step::Said(text, times) => {
                    self.until(&mut senders, DEADLINE, |run, _| run.said(text) >= *times)
                }
                Step::Start(client) => senders.push(self.open(client)),
                Step::Send(client) => {
                    senders.push(self.open(client));
                    self.until(&mut senders, DEADLINE, |_, senders| {
                        senders.last().is_some_and(Sender::has_ended)
                    });
                }
            }
        }
        self.until(&mut senders, PATIENCE, |_, senders| {
            senders.iter().all(Sender::has_ended)
        });
        for sender in senders.iter_mut().filter(|sender| !sender.has_ended()) {
            sender.waits = true;
            sender.exchange.abort();
        }
        senders
    }

    fn open(&self, client: &Client) -> Sender {
        let start = Request::new(client.method, client.path).header("x-forwarded-proto", "http");
        let start = if client.http1 { start.http1() } else { start };
        let request = grouped(&client.headers)
            .into_iter()
            .fold(start, |request, (name, value)| request.header(name, value))
            // As long as Envoy's, which the probes only measure.
            .property(&["destination", "address"], "127.100.100.200:10000");
        // A client that only waits to leave has no body.
        let ends = matches!(client.parts[..], [] | [Part::Said(_), Part::Reset]);
        let mut sender = Sender {
            exchange: self
                .listener
                .send(0, if ends { request } else { request.with_body() }),
            parts: client.parts.clone().into(),
            left: false,
            waits: false,
        };
        sender.go_on(self);
        sender
    }

    /// How many lines contain this.
    fn said(&self, text: &str) -> usize {
        logs(&self.process)
            .iter()
            .filter(|line| line.contains(text))
            .count()
    }

    /// Moves time until it is so.
    fn until(&self, senders: &mut [Sender], deadline: Duration, so: impl Fn(&Self, &[Sender]) -> bool) {
        let end = self.process.now() + deadline;
        loop {
            senders.iter_mut().for_each(|sender| sender.go_on(self));
            if so(self, senders) || self.process.now() >= end {
                return;
            }
            let _ = self.process.advance(STEP);
        }
    }
}

impl Sender {
    fn has_ended(&self) -> bool {
        self.left || self.exchange.has_ended()
    }

    /// Sends what can be sent now.
    fn go_on(&mut self, run: &Run) {
        while let Some(part) = self.parts.front() {
            if matches!(part, Part::Said(text) if run.said(text) == 0) {
                return;
            }
            let part = self.parts.pop_front().unwrap();
            let end = self.parts.is_empty();
            match part {
                Part::Chunk(text) => self.exchange.send_body(text.as_bytes(), end),
                Part::Large(size) => self.exchange.send_body(&vec![b'x'; size], end),
                Part::Trailers(trailers) => self.exchange.send_trailers(trailers.into_iter().collect()),
                Part::Said(_) => {}
                Part::Reset => {
                    self.left = true;
                    self.exchange.abort();
                }
            }
        }
    }

    fn line(&self, scenario: &Scenario) -> String {
        if self.left {
            return "left".to_owned();
        }
        if self.waits {
            return "waits".to_owned();
        }
        let Some(response) = self.exchange.response() else {
            return "reset".to_owned();
        };
        let headers = trace::shown(&texts(&response.headers), &scenario.shown);
        let reset = if self.exchange.was_reset() { " reset" } else { "" };
        format!(
            "{} {headers}{}{}{reset}",
            response.status,
            trace::body(&response.body),
            trailers(response.trailers.as_ref())
        )
    }
}

/// All tries and calls, in the order in which they were made.
fn upstreams(process: &Process, clients: &[Sender], scenario: &Scenario) -> Vec<String> {
    let mut requests = process.calls();
    requests.extend(
        clients
            .iter()
            .flat_map(|client| client.exchange.upstream_requests()),
    );
    let refuses = |name: &str| {
        scenario
            .clusters
            .iter()
            .any(|cluster| cluster.refuses && scenario.cluster_name(cluster.name) == name)
    };
    requests.retain(|request| !refuses(&request.cluster));
    requests.sort_by_key(|request| request.number);
    let mut used: Vec<(String, String)> = Vec::new();
    let mut lines = Vec::new();
    for request in &requests {
        let host = (request.cluster.clone(), request.host.clone());
        if !used.contains(&host) {
            used.push(host.clone());
        }
        let place = used
            .iter()
            .filter(|known| known.0 == host.0)
            .position(|known| *known == host)
            .unwrap();
        lines.push(upstream(request, place, scenario));
    }
    lines
}

fn upstream(request: &UpstreamRequest, place: usize, scenario: &Scenario) -> String {
    let text = |name: &str| request.headers.text(name).unwrap_or_default();
    let prefix = scenario.cluster_name("");
    let cluster = request.cluster.strip_prefix(&prefix).unwrap_or(&request.cluster);
    let headers = trace::shown(&texts(&request.headers), &scenario.shown);
    let reset = if request.complete { "" } else { " reset" };
    let http1 = scenario
        .clusters
        .iter()
        .any(|known| known.http1 && known.name == cluster);
    let (authority, host) = if http1 {
        (String::new(), format!("host={}", text(":authority")))
    } else {
        (text(":authority"), String::new())
    };
    let headers = [host, headers].into_iter().filter(|part| !part.is_empty());
    let headers: Vec<String> = headers.collect();
    format!(
        "{cluster}/{place}: {} {authority}{} {}{}{}{reset}",
        text(":method"),
        text(":path"),
        headers.join(" "),
        trace::body(&request.body),
        trailers(request.trailers.as_ref()),
    )
}

/// Clients of the real Envoy send values of one name one after the other.
fn grouped(headers: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    let mut grouped = headers.to_vec();
    grouped.sort_by_key(|(name, _)| headers.iter().position(|(first, _)| first == name));
    grouped
}

fn trailers(trailers: Option<&HeaderMap>) -> String {
    trailers.map_or_else(String::new, |trailers| {
        format!(" trailers {}", trace::shown(&texts(trailers), &[]))
    })
}

fn texts(headers: &HeaderMap) -> Vec<(String, String)> {
    let pairs = headers.iter().filter(|(name, _)| !name.starts_with(':'));
    pairs
        .map(|(name, value)| (name.to_owned(), value.escape_ascii().to_string()))
        .collect()
}
