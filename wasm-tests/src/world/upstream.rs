//! Requests to scripted upstreams: the tries of a router, and the calls of filters.

use std::collections::VecDeque;
use std::time::Duration;

use crate::answer::Part;
use crate::cluster::{Host, UpstreamRequest};
use crate::header_map::HeaderMap;
use crate::process::shared::{locked, nanoseconds};
use crate::transcript::SharedTranscript;
use crate::world::calls::OpenCall;
use crate::world::timeline::Event;
use crate::world::{StreamRef, WorkerRef, World};

/// One request to a host.
pub(crate) struct Upstream {
    pub(super) owner: Owner,
    host: Host,
    /// Where the request is written down: the stream's transcript, or the process's calls.
    transcript: SharedTranscript,
    index: usize,
    parts: VecDeque<(Duration, Part, bool)>,
    answering: bool,
}

/// Who made the request.
pub(super) enum Owner {
    Try(StreamRef),
    Call(OpenCall),
}

/// What is sent to an upstream, to begin with.
pub(super) struct Outgoing {
    pub(super) cluster: String,
    pub(super) headers: HeaderMap,
    pub(super) attempt: u64,
}

impl Upstream {
    pub(super) fn worker(&self) -> WorkerRef {
        match &self.owner {
            Owner::Try(stream) => stream.worker,
            Owner::Call(call) => call.vm.worker,
        }
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
        let process = match &owner {
            Owner::Try(stream) => stream.worker.process,
            Owner::Call(call) => call.vm.worker.process,
        };
        let shared = self.shared(process)?;
        let host = locked(&shared.clusters).pick(&outgoing.cluster, tried)?;
        let at_headers = locked(&shared.clusters).answers_at_headers(&outgoing.cluster);
        let name = host.name.clone();
        self.last_upstream += 1;
        let id = self.last_upstream;
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
                answering: false,
            },
        );
        if at_headers {
            self.answer_upstream(id);
        }
        Some((id, name))
    }

    /// Sends more of a request to its host. When it is complete, the host answers.
    pub(super) fn send_upstream(&mut self, id: u64, body: &[u8], trailers: Option<HeaderMap>, end: bool) {
        let Some(upstream) = self.upstreams.get(&id) else {
            return;
        };
        if let Some(request) = locked(&upstream.transcript).upstream.get_mut(upstream.index) {
            request.body.extend(body);
            request.trailers = trailers.or(request.trailers.take());
            request.complete = end;
        }
        if end {
            self.answer_upstream(id);
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

    fn schedule_part(&mut self, id: u64) {
        let next = self
            .upstreams
            .get(&id)
            .and_then(|upstream| upstream.parts.front());
        if let Some((after, ..)) = next {
            let due = self.now().saturating_add(nanoseconds(*after));
            self.timeline.add(due, Event::Part { upstream: id });
        }
    }

    /// The next part of an answer arrives.
    pub(super) fn upstream_part(&mut self, id: u64) {
        let now = Duration::from_nanos(self.now());
        let Some(upstream) = self.upstreams.get_mut(&id) else {
            return;
        };
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
        }
        self.schedule_part(id);
    }

    /// Gives a request up: its host sees a reset, unless it had answered in full.
    pub(super) fn give_up_upstream(&mut self, id: u64) {
        let now = Duration::from_nanos(self.now());
        let given_up = self.upstreams.remove(&id);
        if let Some(upstream) = &given_up {
            upstream.note_end(now);
        }
        if let Some(upstream) = given_up
            && let Some(request) = locked(&upstream.transcript).upstream.get_mut(upstream.index)
        {
            request.reset = true;
        }
    }
}
