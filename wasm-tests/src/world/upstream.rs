//! Requests to scripted upstreams: the tries of a router, and the calls of filters.

use std::collections::VecDeque;
use std::time::Duration;

use crate::answer::Part;
use crate::cluster::{Answering, Host, UpstreamRequest};
use crate::header_map::HeaderMap;
use crate::process::shared::{locked, nanoseconds};
use crate::transcript::SharedTranscript;
use crate::vm::Vm;
use crate::world::calls::OpenCall;
use crate::world::grpc::OpenGrpc;
use crate::world::timeline::Event;
use crate::world::{StreamRef, VmRef, WorkerRef, World};

/// One request to a host.
pub(crate) struct Upstream {
    pub(super) owner: Owner,
    host: Host,
    /// Where the request is written down: the stream's transcript, or the process's calls.
    transcript: SharedTranscript,
    index: usize,
    parts: VecDeque<(Duration, Part, bool)>,
    answers: Answering,
    /// The host has been asked for its answer.
    answering: bool,
    /// When it began, in nanoseconds on the steady clock.
    started: u64,
    /// The next part is on its way.
    scheduled: bool,
}

/// Who made the request.
pub(super) enum Owner {
    Try(StreamRef),
    Call(OpenCall),
    Grpc(OpenGrpc),
}

impl Owner {
    fn worker(&self) -> WorkerRef {
        match self {
            Self::Try(stream) => stream.worker,
            Self::Call(call) => call.vm.worker,
            Self::Grpc(open) => open.at.vm.worker,
        }
    }

    /// The root context that made a call.
    fn caller(&self) -> Option<(VmRef, u32)> {
        match self {
            Self::Try(_) => None,
            Self::Call(call) => Some((call.vm, call.root)),
            Self::Grpc(open) => Some((open.at.vm, open.at.root)),
        }
    }
}

/// What is sent to an upstream, to begin with.
pub(super) struct Outgoing {
    pub(super) cluster: String,
    pub(super) headers: HeaderMap,
    pub(super) attempt: u64,
}

impl Upstream {
    pub(super) fn worker(&self) -> WorkerRef {
        self.owner.worker()
    }

    fn note_end(&self, now: Duration) {
        if let Some(request) = locked(&self.transcript).upstream.get_mut(self.index) {
            request.ended.get_or_insert(now);
        }
    }
}

impl World {
    /// Begins a request to the next host of a cluster, one that is not among `tried` if there is any; none when the
    /// cluster has no host. Its id, and the host's name.
    pub(super) fn start_upstream(
        &mut self,
        owner: Owner,
        outgoing: Outgoing,
        tried: &[String],
        transcript: &SharedTranscript,
    ) -> Option<(u64, String)> {
        let shared = self.shared(owner.worker().process)?;
        let host = locked(&shared.clusters).pick(&outgoing.cluster, tried)?;
        let answers = locked(&shared.clusters).answering(&outgoing.cluster);
        let name = host.name.clone();
        self.last_upstream += 1;
        let (id, started) = (self.last_upstream, self.now());
        let request = UpstreamRequest {
            number: id,
            cluster: outgoing.cluster,
            host: name.clone(),
            headers: outgoing.headers,
            body: Vec::new(),
            trailers: None,
            at: Duration::from_nanos(self.now()),
            ended: None,
            attempt: outgoing.attempt,
            complete: false,
            reset: false,
        };
        let index = {
            let mut transcript = locked(transcript);
            transcript.upstream.push(request);
            transcript.upstream.len() - 1
        };
        self.upstreams.insert(
            id,
            Upstream {
                owner,
                host,
                transcript: transcript.clone(),
                index,
                parts: VecDeque::new(),
                answers,
                answering: false,
                started,
                scheduled: false,
            },
        );
        if answers == Answering::AtHeaders {
            self.answer_upstream(id);
        }
        Some((id, name))
    }

    /// Sends more of a request to its host. When it is complete, the host answers; some answer each message.
    pub(super) fn send_upstream(&mut self, id: u64, body: &[u8], trailers: Option<HeaderMap>, end: bool) {
        let Some(upstream) = self.upstreams.get(&id) else {
            return;
        };
        if let Some(request) = locked(&upstream.transcript).upstream.get_mut(upstream.index) {
            request.body.extend(body);
            request.trailers = trailers.or(request.trailers.take());
            request.complete |= end;
        }
        match upstream.answers {
            Answering::EachMessage => self.answer_more(id),
            _ if end => self.answer_upstream(id),
            _ => {}
        }
    }

    fn answer_upstream(&mut self, id: u64) {
        let Some(upstream) = self.upstreams.get_mut(&id) else {
            return;
        };
        if std::mem::replace(&mut upstream.answering, true) {
            return;
        }
        let request = locked(&upstream.transcript).upstream.get(upstream.index).cloned();
        if let Some(request) = request {
            upstream.parts = (upstream.host.handler)(&request).parts();
        }
        self.schedule_part(id);
    }

    /// Adds to an answer what the host says to what has come now.
    fn answer_more(&mut self, id: u64) {
        let Some(upstream) = self.upstreams.get_mut(&id) else {
            return;
        };
        let request = locked(&upstream.transcript).upstream.get(upstream.index).cloned();
        let Some(answer) = request.map(|request| (upstream.host.handler)(&request)) else {
            return;
        };
        if std::mem::replace(&mut upstream.answering, true) {
            upstream.parts.extend(answer.further_parts());
        } else {
            upstream.parts = answer.parts();
        }
        self.schedule_part(id);
    }

    fn schedule_part(&mut self, id: u64) {
        let now = self.now();
        let Some(upstream) = self.upstreams.get_mut(&id).filter(|upstream| !upstream.scheduled) else {
            return;
        };
        if let Some((after, ..)) = upstream.parts.front() {
            upstream.scheduled = true;
            let due = now.saturating_add(nanoseconds(*after));
            self.timeline.add(due, Event::Part { upstream: id });
        }
    }

    /// The next part of an answer arrives.
    pub(super) fn upstream_part(&mut self, id: u64) {
        let now = Duration::from_nanos(self.now());
        let Some(upstream) = self.upstreams.get_mut(&id) else {
            return;
        };
        upstream.scheduled = false;
        let Some((_, part, end)) = upstream.parts.pop_front() else {
            return;
        };
        if end {
            upstream.note_end(now);
        }
        match &upstream.owner {
            Owner::Try(stream) => {
                let stream = *stream;
                self.try_part(stream, id, part, end);
            }
            Owner::Call(_) => self.call_part(id, part, end),
            Owner::Grpc(_) => self.grpc_part(id, part, end),
        }
        self.schedule_part(id);
    }

    /// Gives up the calls of root contexts that a VM has no more.
    pub(super) fn give_up_calls(&mut self, at: VmRef) {
        let Some(state) = self.vm(at).map(Vm::state) else {
            return;
        };
        let orphans = self.upstreams.iter().filter(|(_, upstream)| {
            let caller = upstream.owner.caller();
            caller.is_some_and(|(vm, root)| vm == at && state.root(root).is_none())
        });
        let orphans: Vec<u64> = orphans.map(|(id, _)| *id).collect();
        for id in orphans {
            self.give_up_upstream(id);
        }
    }

    /// The answer is over: a host that has not had the whole request sees a reset.
    pub(super) fn leave_upstream(&mut self, id: u64) {
        let over = |upstream: &Upstream| {
            let transcript = locked(&upstream.transcript);
            let request = transcript.upstream.get(upstream.index);
            request.is_some_and(|request| request.complete && request.ended.is_some())
        };
        if self.upstreams.get(&id).is_some_and(over) {
            self.upstreams.remove(&id);
        } else {
            self.give_up_upstream(id);
        }
    }

    /// What Envoy's router adds to an answer: how many milliseconds the host took.
    pub(super) fn note_service_time(&self, id: u64, headers: &mut HeaderMap) {
        if let Some(upstream) = self.upstreams.get(&id) {
            let took = Duration::from_nanos(self.now().saturating_sub(upstream.started));
            headers.replace("x-envoy-upstream-service-time", took.as_millis().to_string());
        }
    }

    /// Gives a request up: its host sees a reset, unless it had answered in full.
    pub(super) fn give_up_upstream(&mut self, id: u64) {
        let now = Duration::from_nanos(self.now());
        let Some(upstream) = self.upstreams.remove(&id) else {
            return;
        };
        upstream.note_end(now);
        if let Some(request) = locked(&upstream.transcript).upstream.get_mut(upstream.index) {
            request.reset = true;
        }
    }
}
