//! One request: into the host, and what is seen of it.

use std::net::SocketAddr;
use std::time::Duration;

use weir_core::snapshot::INTERNAL_HEADER_PREFIXES;
use weir_shard_map::CLUSTER_HEADER;
use weir_wasm_tests::{Answer as HostAnswer, Exchange, Request as HostRequest, UpstreamRequest};

use super::Proxy;
use crate::answer::{Answer, Fail};
use crate::observed::{Observed, UpstreamCall};
use crate::request::Request;

/// The header that the listener adds its peer to.
const FORWARDED_FOR: &str = "x-forwarded-for";
/// The client's port, which nothing depends on.
const CLIENT_PORT: u16 = 50_000;

/// The request as the first filter gets it: without the headers that filters and proxies trust one another with, which
/// the listener removes, and with the peer's address, which the listener adds.
pub(super) fn to_host(request: &Request) -> HostRequest {
    let is_internal = |name: &str| {
        let name = name.to_ascii_lowercase();
        INTERNAL_HEADER_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix))
    };
    let is_forwarded_for = |name: &str| name.eq_ignore_ascii_case(FORWARDED_FOR);
    let peer = SocketAddr::new(request.from, CLIENT_PORT).to_string();
    let bare = HostRequest::new(&request.method, &request.path)
        .authority(&request.host)
        .property(&["source", "address"], peer);
    let headers = request.headers.iter();
    let host = headers
        .filter(|(name, _)| !is_internal(name) && !is_forwarded_for(name))
        .fold(bare, |host, (name, value)| host.header(name, value))
        .header(FORWARDED_FOR, forwarded_for(request));
    if request.body.is_empty() {
        host
    } else {
        host.body(request.body.clone())
    }
}

/// What the client says that it forwards for, then its own address, in one header, as Envoy writes it.
fn forwarded_for(request: &Request) -> String {
    let said = request.headers.iter();
    let said = said.filter(|(name, _)| name.eq_ignore_ascii_case(FORWARDED_FOR));
    let hops: Vec<String> = said
        .map(|(_, value)| value.clone())
        .chain([request.from.to_string()])
        .collect();
    hops.join(",")
}

pub(super) fn answer_to_host(answer: &Answer) -> HostAnswer {
    let bare = match answer.fail {
        None => HostAnswer::status(answer.status),
        Some(Fail::Reset) => return HostAnswer::reset().after(delay(answer)),
        Some(Fail::Refused) => return HostAnswer::refused().after(delay(answer)),
        Some(Fail::Never) => return HostAnswer::never(),
    };
    let headers = answer.headers.iter();
    let host = headers.fold(bare.after(delay(answer)), |host, (name, value)| {
        host.header(name, value)
    });
    if answer.body.is_empty() {
        host
    } else {
        host.body(answer.body.as_bytes())
    }
}

fn delay(answer: &Answer) -> Duration {
    Duration::from_millis(answer.after.as_millis())
}

impl Proxy {
    /// What is seen of an exchange that came at this time.
    pub(super) fn observe(&self, at: Duration, exchange: &Exchange) -> Observed {
        let response = exchange.response();
        Observed {
            at,
            status: response.as_ref().map(|response| response.status),
            headers: response
                .as_ref()
                .map(|response| response.headers.clone())
                .unwrap_or_default(),
            body: response.map(|response| response.body).unwrap_or_default(),
            local_reply: exchange.local_response().is_some(),
            upstream: exchange
                .upstream_requests()
                .into_iter()
                .map(|try_| self.call(try_))
                .collect(),
            filter_state: exchange.filter_state(),
        }
    }

    fn call(&self, try_: UpstreamRequest) -> UpstreamCall {
        let since_start = |at: Duration| at.saturating_sub(self.started);
        let mut headers = try_.headers;
        // The route table removes it.
        headers.remove(CLUSTER_HEADER);
        UpstreamCall {
            shard: self.shards.get(&try_.cluster).cloned(),
            cluster: try_.cluster,
            headers,
            body: try_.body,
            at: since_start(try_.at),
            ended: try_.ended.map(since_start),
        }
    }
}
