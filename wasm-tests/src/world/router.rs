//! Routing: which cluster, the tries, and their answers (Envoy's router filter, `source/common/router/router.cc`).

use std::sync::Arc;
use std::time::Duration;

use crate::abi::Direction;
use crate::answer::Part;
use crate::chain::Terminal;
use crate::header_map::HeaderMap;
use crate::process::shared::{locked, nanoseconds};
use crate::request::LocalResponse;
use crate::route::{Destination, Route};
use crate::world::failure::Failure;
use crate::world::flag;
use crate::world::retry::RetryPolicy;
use crate::world::timeline::Event;
use crate::world::upstream::{Outgoing, Owner};
use crate::world::{StreamRef, World};

/// The routing of one stream.
#[derive(Default)]
pub(super) struct Router {
    pub(super) route: Option<Arc<Route>>,
    cluster: String,
    pub(super) policy: RetryPolicy,
    /// The tries that have not failed.
    pub(super) tries: Vec<u64>,
    /// The try whose answer the client gets.
    committed: Option<u64>,
    /// The hosts that have been tried.
    hosts: Vec<String>,
    attempts: u64,
    pub(super) pending_retries: u32,
    body: Vec<u8>,
    complete: bool,
}

impl Router {
    fn timeout(&self) -> Option<Duration> {
        let of_route = self.route.as_ref().map(|route| route.timeout);
        self.policy.timeout.or(of_route).filter(|limit| !limit.is_zero())
    }

    /// How long a try may take at most.
    fn longest_try(&self) -> Option<Duration> {
        self.policy.per_try_timeout.or_else(|| self.timeout())
    }
}

impl World {
    /// The request's headers have passed all filters.
    pub(super) fn route(&mut self, at: StreamRef, end: bool) {
        let Some(stream) = self.stream_mut(at) else {
            return;
        };
        let headers = locked(&stream.flow).request.headers.clone();
        let Terminal::Router(routes) = &stream.chain.terminal else {
            return;
        };
        let Some(route) = routes.iter().find(|route| route.matches(&headers)).cloned() else {
            return self.proxy_reply(at, flag::NO_ROUTE_FOUND, own_reply(404, "", "route_not_found"));
        };
        let Some(cluster) = cluster_of(&route, &headers) else {
            return self.proxy_reply(
                at,
                flag::NO_CLUSTER_FOUND,
                own_reply(503, "", "cluster_not_found"),
            );
        };
        if !self.knows(at, &cluster) {
            return self.proxy_reply(
                at,
                flag::NO_CLUSTER_FOUND,
                own_reply(503, "", "cluster_not_found"),
            );
        }
        self.note_route(at, &route, &cluster);
        self.start_routing(at, route, cluster, &headers);
        if end {
            self.request_complete(at);
        }
    }

    /// The proxy itself answers, for a reason that has a flag.
    pub(super) fn proxy_reply(&mut self, at: StreamRef, flag: u64, reply: LocalResponse) {
        self.note_flags(at, flag);
        self.local_reply(at, reply);
    }

    fn note_flags(&mut self, at: StreamRef, flag: u64) {
        if let Some(stream) = self.stream(at) {
            let router = stream.router.as_ref();
            let exhausted = router.is_some_and(|router| router.policy.exhausted);
            let limit = if exhausted {
                flag::UPSTREAM_RETRY_LIMIT_EXCEEDED
            } else {
                0
            };
            locked(&stream.flow).info.response_flags |= flag | limit;
        }
    }

    /// The route that the request would take as it is; filters can read it from the beginning.
    pub(super) fn foresee_route(&mut self, at: StreamRef) {
        let Some(stream) = self.stream(at) else {
            return;
        };
        let Terminal::Router(routes) = &stream.chain.terminal else {
            return;
        };
        let shared = self.shared(at.worker.process);
        let mut flow = locked(&stream.flow);
        flow.info.virtual_host.clone_from(&stream.chain.virtual_host);
        if let Some(route) = routes.iter().find(|route| route.matches(&flow.request.headers)) {
            flow.info.route_name.clone_from(&route.name);
            flow.info.cluster_name =
                cluster_of(route, &flow.request.headers).filter(|name| self.knows(at, name));
            let cluster = flow.info.cluster_name.as_deref();
            let hosts = |name: &str| shared.map(|shared| locked(&shared.clusters).host_count(name));
            flow.info.endpoints = cluster.and_then(hosts);
        }
    }

    fn knows(&self, at: StreamRef, cluster: &str) -> bool {
        let shared = self.shared(at.worker.process);
        shared.is_some_and(|shared| shared.has_cluster(cluster))
    }

    fn note_route(&mut self, at: StreamRef, route: &Route, cluster: &str) {
        let shared = self.shared(at.worker.process);
        let endpoints = shared.map(|shared| locked(&shared.clusters).host_count(cluster));
        if let Some(stream) = self.stream_mut(at) {
            let mut flow = locked(&stream.flow);
            flow.info.route_name.clone_from(&route.name);
            flow.info.cluster_name = Some(cluster.to_owned());
            flow.info.endpoints = endpoints;
        }
    }

    fn start_routing(&mut self, at: StreamRef, route: Arc<Route>, cluster: String, headers: &HeaderMap) {
        let policy = RetryPolicy::of(headers);
        if let Some(router) = self.router_mut(at) {
            router.route = Some(route);
            router.cluster = cluster;
            router.policy = policy;
        }
        self.start_try(at);
    }

    pub(super) fn router_mut(&mut self, at: StreamRef) -> Option<&mut Router> {
        self.stream_mut(at)?.router.as_mut()
    }

    /// Sends the request, as far as it has come, to the next host.
    pub(super) fn start_try(&mut self, at: StreamRef) {
        let Some(stream) = self.stream_mut(at) else {
            return;
        };
        let (flow, transcript) = (Arc::clone(&stream.flow), Arc::clone(&stream.transcript));
        let Some(router) = &mut stream.router else {
            return;
        };
        router.attempts += 1;
        let limit = router.longest_try();
        steer(&mut locked(&flow).request.headers, limit);
        let outgoing = Outgoing {
            cluster: router.cluster.clone(),
            headers: locked(&flow).request.headers.clone(),
            attempt: router.attempts,
        };
        locked(&flow).info.attempt_count = router.attempts;
        let (hosts, body, complete) = (router.hosts.clone(), router.body.clone(), router.complete);
        let Some((id, host)) = self.start_upstream(Owner::Try(at), outgoing, &hosts, &transcript) else {
            let reply = own_reply(503, "no healthy upstream", "no_healthy_upstream");
            return self.proxy_reply(at, flag::NO_HEALTHY_UPSTREAM, reply);
        };
        locked(&flow).info.upstream_host = Some(host.clone());
        if let Some(router) = self.router_mut(at) {
            router.tries.push(id);
            router.hosts.push(host);
        }
        let trailers = locked(&flow).request.trailers.clone().filter(|_| complete);
        self.send_upstream(id, &body, trailers, complete);
        self.arm_try_timeout(at, id);
    }

    /// A try's own time limit runs from the end of the request on.
    fn arm_try_timeout(&mut self, at: StreamRef, id: u64) {
        let limit = self
            .router_mut(at)
            .filter(|router| router.complete)
            .and_then(|router| router.policy.per_try_timeout);
        if let Some(limit) = limit {
            let due = self.now().saturating_add(nanoseconds(limit));
            self.timeline.add(
                due,
                Event::TryTimeout {
                    stream: at,
                    upstream: id,
                },
            );
        }
    }

    pub(super) fn route_body(&mut self, at: StreamRef, body: &[u8], end: bool) {
        let Some(router) = self.router_mut(at) else {
            return;
        };
        router.body.extend(body);
        let tries = router.tries.clone();
        for id in tries {
            self.send_upstream(id, body, None, false);
        }
        if end {
            self.request_complete(at);
        }
    }

    pub(super) fn route_trailers(&mut self, at: StreamRef) {
        self.request_complete(at);
    }

    /// The whole request has passed: hosts answer, and the time limits begin.
    fn request_complete(&mut self, at: StreamRef) {
        let trailers = self
            .stream(at)
            .and_then(|stream| locked(&stream.flow).request.trailers.clone());
        let Some(router) = self.router_mut(at) else {
            return;
        };
        router.complete = true;
        let tries = router.tries.clone();
        let limit = router.timeout();
        if let Some(limit) = limit {
            let due = self.now().saturating_add(nanoseconds(limit));
            self.timeline.add(due, Event::RouteTimeout { stream: at });
        }
        for id in tries {
            self.send_upstream(id, &[], trailers.clone(), true);
            self.arm_try_timeout(at, id);
        }
    }

    /// A part of a try's answer.
    pub(super) fn try_part(&mut self, at: StreamRef, id: u64, part: Part, end: bool) {
        if end && matches!(part, Part::Data(_) | Part::Trailers(_)) {
            self.forget_try(at, id);
        }
        match part {
            Part::Headers(headers) => self.try_headers(at, id, headers, end),
            Part::Data(bytes) => self.arrive_body(at, Direction::Response, bytes, end),
            Part::Trailers(trailers) => {
                if let Some(stream) = self.stream(at) {
                    locked(&stream.flow).response.trailers = Some(trailers);
                }
                self.arrive_trailers(at, Direction::Response);
            }
            Part::Reset => self.try_failed(at, id, Failure::Reset),
            Part::Closed => self.try_failed(at, id, Failure::Closed),
            Part::Refused => self.try_failed(at, id, Failure::Refused),
        }
    }

    /// The first try with an answer that is good enough is the one whose answer the client gets.
    fn try_headers(&mut self, at: StreamRef, id: u64, mut headers: HeaderMap, end: bool) {
        self.note_service_time(id, &mut headers);
        let status = headers.text(":status").and_then(|status| status.parse().ok());
        let retries = self
            .router_mut(at)
            .is_some_and(|router| router.policy.retries_status(status.unwrap_or_default()));
        if retries {
            self.drop_try(at, id);
            return self.schedule_retry(at);
        }
        let Some(router) = self.router_mut(at) else {
            return;
        };
        router.committed = Some(id);
        let losers: Vec<u64> = router
            .tries
            .iter()
            .copied()
            .filter(|other| *other != id)
            .collect();
        router.tries = vec![id];
        for loser in losers {
            self.give_up_upstream(loser);
        }
        self.note_flags(at, 0);
        if let Some(stream) = self.stream(at) {
            let mut flow = locked(&stream.flow);
            flow.response.headers = headers;
            flow.info.response_code_details = Some("via_upstream".to_owned());
        }
        if end {
            self.forget_try(at, id);
        }
        self.arrive_headers(at, Direction::Response, end);
    }

    /// A try's host has refused or reset it.
    fn try_failed(&mut self, at: StreamRef, id: u64, failure: Failure) {
        let Some(router) = self.router_mut(at) else {
            return;
        };
        let committed = router.committed == Some(id);
        let retries = !committed && router.policy.retries_failure(failure == Failure::Refused);
        self.forget_try(at, id);
        if committed {
            return self.reset(at);
        }
        if retries {
            return self.schedule_retry(at);
        }
        let waits = self
            .router_mut(at)
            .is_some_and(|router| !router.tries.is_empty() || router.pending_retries > 0);
        if !waits {
            self.answer_failure(at, failure);
        }
    }

    fn answer_failure(&mut self, at: StreamRef, failure: Failure) {
        let retried = self.router_mut(at).is_some_and(|router| router.attempts > 1);
        if let Some(stream) = self.stream(at) {
            let info = &mut locked(&stream.flow).info;
            failure
                .transport_failure()
                .clone_into(&mut info.transport_failure);
        }
        let reply = own_reply(503, &failure.body(retried), failure.details());
        self.proxy_reply(at, failure.flag(), reply);
    }

    /// A try that is over has nothing to be reset.
    fn forget_try(&mut self, at: StreamRef, id: u64) {
        self.upstreams.remove(&id);
        if let Some(router) = self.router_mut(at) {
            router.tries.retain(|known| *known != id);
        }
    }

    pub(super) fn drop_try(&mut self, at: StreamRef, id: u64) {
        self.give_up_upstream(id);
        self.forget_try(at, id);
    }

    /// Nobody waits for the tries any more.
    pub(super) fn give_up_tries(&mut self, at: StreamRef) {
        let tries = self
            .router_mut(at)
            .map(|router| std::mem::take(&mut router.tries));
        for id in tries.into_iter().flatten() {
            self.give_up_upstream(id);
        }
    }

    /// The request has taken too long.
    pub(super) fn route_timeout(&mut self, at: StreamRef) {
        let Some(stream) = self.stream(at) else {
            return;
        };
        if stream.response.started {
            self.reset(at);
        } else {
            let reply = own_reply(504, "upstream request timeout", "response_timeout");
            self.proxy_reply(at, flag::UPSTREAM_REQUEST_TIMEOUT, reply);
        }
    }
}

fn cluster_of(route: &Route, headers: &HeaderMap) -> Option<String> {
    match &route.to {
        Destination::Cluster(name) => Some(name.clone()),
        Destination::Header(header) => headers.text(header),
    }
}

/// The headers that steer the router go no further; the host is told how long it has.
fn steer(headers: &mut HeaderMap, limit: Option<Duration>) {
    for name in STEERING {
        headers.remove(name);
    }
    if let Some(limit) = limit {
        headers.replace("x-envoy-expected-rq-timeout-ms", limit.as_millis().to_string());
    }
}

/// What the router reads from request headers.
const STEERING: [&str; 6] = [
    "x-envoy-retry-on",
    "x-envoy-max-retries",
    "x-envoy-retriable-status-codes",
    "x-envoy-hedge-on-per-try-timeout",
    "x-envoy-upstream-rq-timeout-ms",
    "x-envoy-upstream-rq-per-try-timeout-ms",
];

pub(super) fn own_reply(status: u32, body: &str, details: &str) -> LocalResponse {
    LocalResponse {
        status,
        headers: HeaderMap::new(),
        body: body.as_bytes().to_vec(),
        grpc_status: None,
        details: details.to_owned(),
    }
}
