//! What both hosts are put through: filters, a client, upstreams.

use std::time::Duration;

use crate::probes::Probe;

/// One trace is made of this in each host.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// In the order of the chain, named `a`, `b`, `c`.
    pub(crate) filters: Vec<Probe>,
    /// Beside the route of everything else to `up`.
    pub(crate) routes: Vec<Route>,
    pub(crate) clusters: Vec<Cluster>,
    pub(crate) steps: Vec<Step>,
    /// Streams run side by side, so that only the order within each of them is sure.
    pub(crate) side_by_side: bool,
    /// Whether a request reaches its upstream before it is answered otherwise, or which of two comes first, is not sure.
    pub(crate) upstream_unsure: bool,
    /// Headers that the trace shows beside those that it always shows.
    pub(crate) shown: Vec<&'static str>,
    /// Counters and gauges by the end of their names.
    pub(crate) stats: Vec<&'static str>,
}

pub(crate) struct Route {
    pub(crate) prefix: &'static str,
    pub(crate) target: Target,
}

pub(crate) enum Target {
    Cluster(&'static str),
    /// The cluster that this request header names.
    Header(&'static str),
}

pub(crate) enum Step {
    /// A request, and its end.
    Send(Client),
    /// A request that goes on beside the next steps.
    Start(Client),
    /// A probe has said this, so many times.
    Said(String, usize),
}

/// One request and what its client does.
#[derive(Clone)]
pub(crate) struct Client {
    pub(crate) http1: bool,
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    pub(crate) parts: Vec<Part>,
}

/// A part of a message's body, or what comes between.
#[derive(Clone, Debug)]
pub(crate) enum Part {
    Chunk(&'static str),
    /// So many bytes `x`.
    Large(usize),
    Trailers(Vec<(&'static str, &'static str)>),
    /// Waits until a probe has said this.
    Said(&'static str),
    /// The sender goes away.
    Reset,
}

/// Hosts that take turns; which of them is the first is not said.
pub(crate) struct Cluster {
    pub(crate) name: &'static str,
    pub(crate) http1: bool,
    pub(crate) hosts: usize,
    /// Nothing listens there.
    pub(crate) refuses: bool,
    /// What the requests get in this order, whichever host they go to; the last answer again and again.
    pub(crate) answers: Vec<Answer>,
}

#[derive(Clone)]
pub(crate) struct Answer {
    /// None: no answer at all.
    pub(crate) status: Option<u16>,
    pub(crate) headers: Vec<(&'static str, &'static str)>,
    pub(crate) parts: Vec<Part>,
    pub(crate) after: Duration,
}

impl Scenario {
    /// One filter before a cluster `up` that answers `hello`.
    pub(crate) fn new(filter: Probe) -> Self {
        Self {
            name: "",
            filters: vec![filter],
            routes: Vec::new(),
            clusters: vec![Cluster::new("up").answers(Answer::hello())],
            steps: Vec::new(),
            side_by_side: false,
            upstream_unsure: false,
            shown: Vec::new(),
            stats: Vec::new(),
        }
    }

    pub(crate) fn named(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// One more filter, after those before.
    pub(crate) fn then(mut self, filter: Probe) -> Self {
        self.filters.push(filter);
        self
    }

    pub(crate) fn route(mut self, prefix: &'static str, target: Target) -> Self {
        self.routes.push(Route { prefix, target });
        self
    }

    /// Adds a cluster, or replaces `up`.
    pub(crate) fn cluster(mut self, cluster: Cluster) -> Self {
        self.clusters.retain(|known| known.name != cluster.name);
        self.clusters.push(cluster);
        self
    }

    /// What `up` answers.
    pub(crate) fn answer(self, answer: Answer) -> Self {
        self.cluster(Cluster::new("up").answers(answer))
    }

    pub(crate) fn send(mut self, client: Client) -> Self {
        self.steps.push(Step::Send(client));
        self
    }

    pub(crate) fn get(self) -> Self {
        self.send(Client::get("/"))
    }

    pub(crate) fn start(mut self, client: Client) -> Self {
        self.side_by_side = true;
        self.steps.push(Step::Start(client));
        self
    }

    pub(crate) fn said(self, text: &str) -> Self {
        self.said_times(text, 1)
    }

    pub(crate) fn said_times(mut self, text: &str, times: usize) -> Self {
        self.steps.push(Step::Said(text.to_owned(), times));
        self
    }

    pub(crate) fn upstream_unsure(mut self) -> Self {
        self.upstream_unsure = true;
        self
    }

    pub(crate) fn show(mut self, headers: &[&'static str]) -> Self {
        self.shown.extend(headers);
        self
    }

    pub(crate) fn stat(mut self, name: &'static str) -> Self {
        self.stats.push(name);
        self
    }

    /// What `~cluster` in a probe's texts stands for: cluster names are one namespace for all scenarios.
    pub(crate) fn cluster_name(&self, name: &str) -> String {
        format!("{}-{name}", self.name)
    }
}

impl Client {
    pub(crate) fn new(method: &'static str, path: &'static str) -> Self {
        Self {
            http1: false,
            method,
            path,
            headers: Vec::new(),
            parts: Vec::new(),
        }
    }

    pub(crate) fn get(path: &'static str) -> Self {
        Self::new("GET", path)
    }

    pub(crate) fn post(chunks: &[&'static str]) -> Self {
        let mut client = Self::new("POST", "/");
        client.parts = chunks.iter().map(|chunk| Part::Chunk(chunk)).collect();
        client
    }

    pub(crate) fn http1(mut self) -> Self {
        self.http1 = true;
        self
    }

    pub(crate) fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn part(mut self, part: Part) -> Self {
        self.parts.push(part);
        self
    }

    /// One trailer.
    pub(crate) fn trailer(self, name: &'static str, value: &'static str) -> Self {
        self.part(Part::Trailers(vec![(name, value)]))
    }

    /// Goes away when a probe has said this.
    pub(crate) fn leaves_after(self, text: &'static str) -> Self {
        self.part(Part::Said(text)).part(Part::Reset)
    }
}

impl Cluster {
    /// One host.
    pub(crate) fn new(name: &'static str) -> Self {
        Self {
            name,
            http1: false,
            hosts: 1,
            refuses: false,
            answers: Vec::new(),
        }
    }

    pub(crate) fn http1(mut self) -> Self {
        self.http1 = true;
        self
    }

    /// One more answer.
    pub(crate) fn answers(mut self, answer: Answer) -> Self {
        self.answers.push(answer);
        self
    }

    pub(crate) fn hosts(mut self, hosts: usize) -> Self {
        self.hosts = hosts;
        self
    }

    pub(crate) fn refuses(mut self) -> Self {
        self.refuses = true;
        self
    }
}

impl Answer {
    pub(crate) fn status(status: u16) -> Self {
        Self {
            status: Some(status),
            headers: Vec::new(),
            parts: Vec::new(),
            after: Duration::ZERO,
        }
    }

    pub(crate) fn hello() -> Self {
        Self::status(200).chunk("hello")
    }

    /// The request stays open.
    pub(crate) fn never() -> Self {
        Self::status(200).after(Duration::from_secs(86_400))
    }

    /// The connection (HTTP/1.1) or the stream is reset.
    pub(crate) fn reset() -> Self {
        Self {
            status: None,
            ..Self::status(200)
        }
    }

    pub(crate) fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }

    pub(crate) fn chunk(self, text: &'static str) -> Self {
        self.part(Part::Chunk(text))
    }

    pub(crate) fn part(mut self, part: Part) -> Self {
        self.parts.push(part);
        self
    }

    pub(crate) fn trailer(self, name: &'static str, value: &'static str) -> Self {
        self.part(Part::Trailers(vec![(name, value)]))
    }

    pub(crate) fn after(mut self, after: Duration) -> Self {
        self.after = after;
        self
    }
}
