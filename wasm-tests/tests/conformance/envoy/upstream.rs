//! The hosts behind Envoy.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::Shared;
use super::log::{Log, ScenarioLog};
use super::message::{Reset, Script, read, texts};
use crate::scenario::{Answer, Cluster, Part, Scenario};
use crate::trace;

/// More connections than a scenario makes at once.
const BACKLOG: u32 = 64;

/// All hosts of all scenarios.
#[derive(Default)]
pub(super) struct Upstreams {
    /// By scenario and cluster.
    addresses: BTreeMap<(&'static str, &'static str), Vec<SocketAddr>>,
    seen: BTreeMap<&'static str, Shared<Vec<String>>>,
    closed: Vec<TcpSocket>,
}

/// What one host needs to answer.
#[derive(Clone)]
struct Behaviour {
    cluster: &'static str,
    host: usize,
    answers: Vec<Answer>,
    /// The hosts of the cluster's requests, in their order.
    served: Shared<Vec<usize>>,
    seen: Shared<Vec<String>>,
    shown: Vec<&'static str>,
    log: ScenarioLog,
}

impl Upstreams {
    pub(super) async fn start(ip: IpAddr, scenarios: &[Scenario], log: &Log) -> Self {
        let mut upstreams = Self::default();
        for scenario in scenarios {
            for cluster in &scenario.clusters {
                upstreams.start_cluster(ip, scenario, cluster, log).await;
            }
        }
        upstreams
    }

    async fn start_cluster(&mut self, ip: IpAddr, scenario: &Scenario, cluster: &Cluster, log: &Log) {
        let served = Shared::default();
        let mut addresses = Vec::new();
        for host in 0..cluster.hosts {
            let socket = TcpSocket::new_v4().unwrap();
            socket.bind(SocketAddr::new(ip, 0)).unwrap();
            addresses.push(socket.local_addr().unwrap());
            // A port that is bound without a listener refuses connections, and is nobody else's.
            if cluster.refuses {
                self.closed.push(socket);
                continue;
            }
            let listener = socket.listen(BACKLOG).unwrap();
            let behaviour = Behaviour {
                cluster: cluster.name,
                host,
                answers: cluster.answers.clone(),
                served: Shared::clone(&served),
                seen: Shared::clone(self.seen.entry(scenario.name).or_default()),
                shown: scenario.shown.clone(),
                log: log.scenario(scenario.name),
            };
            tokio::spawn(serve(listener, behaviour));
        }
        self.addresses.insert((scenario.name, cluster.name), addresses);
    }

    pub(super) fn addresses(&self, scenario: &Scenario, cluster: &Cluster) -> &[SocketAddr] {
        &self.addresses[&(scenario.name, cluster.name)]
    }

    /// The requests of a scenario.
    pub(super) fn seen(&self, scenario: &str) -> Vec<String> {
        let seen = self.seen.get(scenario);
        seen.map(|seen| seen.lock().unwrap().clone()).unwrap_or_default()
    }
}

async fn serve(listener: TcpListener, script: Behaviour) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve_connection(stream, script.clone()));
    }
}

async fn serve_connection(stream: TcpStream, script: Behaviour) {
    let service = service_fn(move |request| answer(script.clone(), request));
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().auto_date_header(false);
    builder.http2().auto_date_header(false);
    let _ = builder.serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(script: Behaviour, request: Request<Incoming>) -> Result<Response<Script>, Reset> {
    let (host, answer) = script.next();
    let (parts, body) = request.into_parts();
    let path = parts
        .uri
        .path_and_query()
        .map(ToString::to_string)
        .unwrap_or_default();
    let authority = parts.uri.authority().map(ToString::to_string).unwrap_or_default();
    let head = format!(
        "{}/{host}: {} {authority}{path} {}",
        script.cluster,
        parts.method,
        trace::shown(&texts(&parts.headers), &script.shown)
    );
    let place = script.note(head);
    let (seen, rest) = (script.seen.clone(), read(body));
    let reading = async move {
        let rest = rest.await;
        seen.lock().unwrap()[place].push_str(&rest);
    };
    if answer.parts.iter().any(|part| matches!(part, Part::Said(_))) {
        tokio::spawn(reading);
    } else {
        reading.await;
    }
    tokio::time::sleep(answer.after).await;
    let mut response = Response::builder().status(answer.status.ok_or(Reset)?);
    for (name, value) in answer.headers {
        response = response.header(name, value);
    }
    Ok(response.body(Script::new(answer.parts, script.log)).unwrap())
}

impl Behaviour {
    /// The host, by the order in which the cluster's hosts are used, and its answer.
    fn next(&self) -> (usize, Answer) {
        let mut served = self.served.lock().unwrap();
        served.push(self.host);
        let before = served.iter().position(|host| *host == self.host).unwrap();
        let others: BTreeSet<usize> = served[..before].iter().copied().collect();
        let last = self.answers.len() - 1;
        (others.len(), self.answers[last.min(served.len() - 1)].clone())
    }

    /// Where in the trace the request stands.
    fn note(&self, line: String) -> usize {
        let mut seen = self.seen.lock().unwrap();
        seen.push(line);
        seen.len() - 1
    }
}
