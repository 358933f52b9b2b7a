//! One request on its way: through the filters to an upstream, and back.

use std::time::Duration;

use weir_core::cluster::ClusterUse;
use weir_core::snapshot::INTERNAL_HEADER_PREFIXES;
use weir_shard_map::CLUSTER_HEADER;
use weir_wasm_tests::{HeaderMap, HostError, Plugin, Request as HostRequest, Stream};

use super::Proxy;
use crate::answer::{Answer, Fail, answer_of};
use crate::observed::{Observed, UpstreamCall};
use crate::request::Request;
use crate::routes::Destination;

const PSEUDO_HEADERS: [&str; 3] = [":method", ":path", ":authority"];

pub(super) struct Exchange<'p> {
    proxy: &'p Proxy,
    worker: usize,
    /// As the next filter gets them.
    headers: HeaderMap,
    body: Vec<u8>,
    /// The filters that have seen the request, in the order of the chain.
    streams: Vec<Stream>,
    observed: Observed,
}

/// An answer on its way to the client.
struct Response {
    headers: HeaderMap,
    body: Vec<u8>,
}

impl<'p> Exchange<'p> {
    pub(super) fn new(proxy: &'p Proxy, worker: usize, request: &Request) -> Self {
        let observed = Observed {
            at: proxy.elapsed(),
            ..Observed::default()
        };
        Self {
            proxy,
            worker,
            headers: incoming(request),
            body: request.body.clone(),
            streams: Vec::new(),
            observed,
        }
    }

    /// From the client's request to the client's answer.
    pub(super) fn run(mut self) -> Result<Observed, HostError> {
        let proxy = self.proxy;
        for plugin in &proxy.chain {
            if self.pass(plugin)? {
                return self.finish();
            }
        }
        let response = self.ask_upstream()?;
        self.answer(response)?;
        self.finish()
    }

    /// The request through one filter. Whether the filter has answered it by itself.
    fn pass(&mut self, plugin: &Plugin) -> Result<bool, HostError> {
        let stream = plugin.worker(self.worker).open(self.to_host())?;
        if stream.outcome().local_response.is_none() && !self.body.is_empty() {
            self.body = stream.request_body(&self.body, true)?.content;
        }
        let outcome = stream.outcome();
        self.streams.push(stream);
        self.observed.filter_state.extend(outcome.filter_state);
        self.headers = outcome.headers;
        let Some(local) = outcome.local_response else {
            return Ok(false);
        };
        self.observed.local_reply = true;
        self.observed.status = u16::try_from(local.status).ok();
        self.observed.headers = outcome.answer.unwrap_or_default();
        self.observed.body = local.body;
        Ok(true)
    }

    fn to_host(&self) -> HostRequest {
        let [method, path, authority] = PSEUDO_HEADERS.map(|name| self.headers.get(name).unwrap_or_default());
        let mut request = HostRequest::with_pseudo_headers(method, path, authority);
        for (name, value) in self.headers.iter().filter(|(name, _)| !name.starts_with(':')) {
            request = request.header(name, value);
        }
        if self.body.is_empty() {
            request
        } else {
            request.with_body()
        }
    }

    /// What the upstream of the request's route answers, or Envoy in its place.
    fn ask_upstream(&mut self) -> Result<Response, HostError> {
        let proxy = self.proxy;
        match proxy.routes.destination(&self.headers) {
            Destination::Cluster(cluster, timeout) => self.send(cluster, timeout),
            Destination::NoCluster => Ok(self.local(503, "")),
            Destination::NoRoute => Ok(self.local(404, "")),
        }
    }

    fn send(&mut self, cluster: &ClusterUse, timeout: Duration) -> Result<Response, HostError> {
        let answer = answer_of(&self.proxy.setup.backends, cluster);
        let after = Duration::from_millis(answer.after.as_millis());
        let in_time = answer.fail != Some(Fail::Never) && after <= timeout;
        let took = if in_time { after } else { timeout };
        let at = self.proxy.elapsed();
        let mut headers = self.headers.clone();
        headers.remove(CLUSTER_HEADER);
        self.observed.upstream.push(UpstreamCall {
            cluster: cluster.name.clone(),
            shard: cluster.shard.as_ref().map(|(shard, _)| shard.to_string()),
            headers,
            body: self.body.clone(),
            at,
            ended: in_time.then_some(at + took),
        });
        self.proxy.process.advance(took)?;
        Ok(self.response(&answer, in_time))
    }

    fn response(&mut self, answer: &Answer, in_time: bool) -> Response {
        const LOST: &str = "upstream connect error or disconnect/reset before headers. reset reason: ";
        match answer.fail {
            _ if !in_time => self.local(504, "upstream request timeout"),
            Some(Fail::Reset) => self.local(503, &format!("{LOST}connection termination")),
            Some(_) => self.local(503, &format!("{LOST}remote connection failure")),
            None => from_upstream(answer),
        }
    }

    /// Envoy's own answer.
    fn local(&mut self, status: u16, body: &str) -> Response {
        self.observed.local_reply = true;
        from_upstream(&Answer {
            status,
            body: body.to_owned(),
            ..Answer::default()
        })
    }

    /// The answer through the filters, the last first.
    fn answer(&mut self, mut response: Response) -> Result<(), HostError> {
        for stream in self.streams.iter().rev() {
            let ends = response.body.is_empty();
            response.headers = stream.response_headers(response.headers, ends)?.content;
            if !ends {
                response.body = stream.response_body(&response.body, true)?.content;
            }
        }
        let status = response.headers.text(":status");
        self.observed.status = status.and_then(|status| status.parse().ok());
        self.observed.headers = response.headers;
        self.observed.body = response.body;
        Ok(())
    }

    fn finish(self) -> Result<Observed, HostError> {
        for stream in self.streams {
            stream.finish()?;
        }
        Ok(self.observed)
    }
}

fn from_upstream(answer: &Answer) -> Response {
    let status = (":status".to_owned(), answer.status.to_string());
    let headers = answer.headers.clone().into_iter();
    Response {
        headers: std::iter::once(status).chain(headers).collect(),
        body: answer.body.clone().into_bytes(),
    }
}

/// The request's headers as the first filter gets them: without those that filters and proxies trust one another with,
/// which the listener removes.
fn incoming(request: &Request) -> HeaderMap {
    let pseudo_headers = PSEUDO_HEADERS
        .into_iter()
        .zip([&request.method, &request.path, &request.host]);
    let is_internal = |name: &str| {
        let name = name.to_ascii_lowercase();
        INTERNAL_HEADER_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix))
    };
    let headers = request.headers.iter().map(|(name, value)| (name.as_str(), value));
    let sent = headers.filter(|(name, _)| !is_internal(name));
    pseudo_headers
        .chain(sent)
        .map(|(name, value)| (name, value.as_bytes()))
        .collect()
}
