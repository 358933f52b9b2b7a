//! The real Envoy: one process serves all scenarios, each on a listener of its own.

mod client;
mod config;
mod log;
mod message;
mod process;
mod upstream;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use tokio::runtime::Runtime;

use crate::scenario::{Client, Scenario, Step};
use crate::trace::Trace;
pub(crate) use config::FILTERS;
use log::Log;
use process::Process;
pub(crate) use process::folder;
use upstream::Upstreams;

/// No condition takes longer on a machine that works; a test that meets it has failed.
const DEADLINE: Duration = Duration::from_secs(60);

/// How long a client is given that a filter may hold for ever: longer than any delay of a scenario.
const PATIENCE: Duration = Duration::from_secs(1);

/// A VM that is younger is not reloaded after a trap.
const RELOAD_BACK_OFF: Duration = Duration::from_millis(1_500);

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
});

static ENVOY: LazyLock<Envoy> = LazyLock::new(|| RUNTIME.block_on(Envoy::start(&crate::all())));

struct Envoy {
    ip: IpAddr,
    log: Log,
    upstreams: Upstreams,
    marks: AtomicUsize,
    /// Its files stay until the tests end.
    _process: Process,
}

/// Runs a scenario.
pub(crate) fn run(scenario: &Scenario) -> Trace {
    process::envoy();
    RUNTIME.block_on(ENVOY.run(scenario))
}

/// An address that no other process of tests uses.
fn address() -> IpAddr {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    // As many digits in every run: filters read addresses as text.
    IpAddr::V4(Ipv4Addr::new(
        127,
        high % 100 + 100,
        low % 100 + 100,
        200 + low / 100,
    ))
}

impl Envoy {
    async fn start(scenarios: &[Scenario]) -> Self {
        let (ip, log) = (address(), Log::default());
        let upstreams = Upstreams::start(ip, scenarios, &log).await;
        let process = Process::start(ip, scenarios, &upstreams, &log);
        within("Envoy starts", log.ready()).await;
        tokio::time::sleep(RELOAD_BACK_OFF).await;
        Self {
            ip,
            log,
            upstreams,
            marks: AtomicUsize::new(0),
            _process: process,
        }
    }

    async fn run(&'static self, scenario: &Scenario) -> Trace {
        let name = scenario.name;
        let mut running = Vec::new();
        let mut clients = Vec::new();
        for step in &scenario.steps {
            match step {
                Step::Said(text, times) => {
                    self.log.said(name, text, *times).await;
                    self.settle().await;
                }
                Step::Start(client) => running.push((clients.len(), self.spawn(scenario, client))),
                Step::Send(client) => {
                    let task = self.spawn(scenario, client);
                    clients.push(task.await.unwrap());
                    self.settle().await;
                    continue;
                }
            }
            clients.push(String::new());
        }
        self.settle().await;
        for (place, task) in running {
            clients[place] = finish(task).await;
        }
        within("all requests have ended", self.no_requests(name)).await;
        self.settle().await;
        assert!(!self.log.has_ended(), "Envoy has crashed. {LOG_END}");
        clients.retain(|line| !line.is_empty());
        Trace {
            logs: self.log.of(name),
            clients,
            upstreams: self.upstreams.seen(name),
            stats: self.stats(scenario).await,
        }
    }

    fn spawn(&'static self, scenario: &Scenario, client: &Client) -> tokio::task::JoinHandle<String> {
        let server = SocketAddr::new(self.ip, config::port(scenario.name));
        let (client, shown) = (client.clone(), scenario.shown.clone());
        let log = self.log.scenario(scenario.name);
        tokio::spawn(async move { within("a request ends", client::send(server, client, log, &shown)).await })
    }

    /// The worker has done everything that it began before this, and what it said has been read: it serves one thing
    /// after the other, and says so in the order of its work.
    async fn settle(&self) {
        let server = SocketAddr::new(self.ip, config::IDLE_PORT);
        let mark = format!("/{}", self.marks.fetch_add(1, Ordering::Relaxed));
        within("the worker is idle", client::body(server, &mark)).await;
        self.log.said(config::IDLE, &format!(":path={mark} "), 1).await;
    }

    /// Clients that went away are gone for Envoy, too.
    async fn no_requests(&self, scenario: &str) {
        let admin = SocketAddr::new(self.ip, config::ADMIN_PORT);
        let gauge = format!("http.{scenario}.downstream_rq_active");
        let path = format!("/stats?filter=^{gauge}$");
        let none = format!("{gauge}: 0");
        // A listener that was refused has no gauge.
        while !["", &none].contains(&client::body(admin, &path).await.trim()) {}
    }

    async fn stats(&self, scenario: &Scenario) -> Vec<String> {
        let mut found = Vec::new();
        for name in &scenario.stats {
            found.push(self.stat(scenario.name, name).await);
        }
        found
    }

    /// The sum of those of the scenario's listener and clusters whose names end so.
    async fn stat(&self, scenario: &str, name: &str) -> String {
        let admin = SocketAddr::new(self.ip, config::ADMIN_PORT);
        let text = client::body(admin, "/stats").await;
        let values = text.lines().filter_map(|line| line.split_once(": "));
        let of_scenario = values.filter(|(known, _)| {
            known.ends_with(name) && (known.contains(scenario) || known.starts_with("wasmcustom"))
        });
        let sum: u64 = of_scenario
            .filter_map(|(_, value)| value.parse::<u64>().ok())
            .sum();
        format!("{name} {sum}")
    }
}

/// What a client got; one whose filters hold it to the end of the scenario goes away.
async fn finish(task: tokio::task::JoinHandle<String>) -> String {
    let abort = task.abort_handle();
    match tokio::time::timeout(PATIENCE, task).await {
        Ok(line) => line.unwrap(),
        Err(_) => {
            abort.abort();
            "waits".to_owned()
        }
    }
}

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future)
        .await
        .unwrap_or_else(|_| panic!("waited {DEADLINE:?} in vain: {what}\n{}", LOG_END))
}

const LOG_END: &str = "Envoy's log is in the target folder, conformance/envoy.log";

/// Shared by everything that waits for log lines.
type Shared<T> = Arc<std::sync::Mutex<T>>;
