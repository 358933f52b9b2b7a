//! What leaves a chain, and how a stream ends.

use std::time::{Duration, UNIX_EPOCH};

use crate::abi::Direction;
use crate::header_map::HeaderMap;
use crate::process::shared::locked;
use crate::transcript::Response;
use crate::vm::callback::Callback;
use crate::vm::context::Context;
use crate::world::flag;
use crate::world::{StreamRef, VmRef, WorkerRef, World};

impl World {
    /// Headers have passed all filters.
    pub(super) fn headers_out(&mut self, at: StreamRef, direction: Direction, end: bool) {
        let now = self.clock.wall();
        let Some(stream) = self.stream_mut(at) else {
            return;
        };
        match direction {
            Direction::Request if stream.router.is_some() => return self.route(at, end),
            Direction::Request => {
                locked(&stream.transcript).passed.headers = true;
                return;
            }
            Direction::Response => {}
        }
        stream.response_sent = true;
        stream.unsendable = !is_final(&locked(&stream.flow).response.headers);
        if stream.unsendable {
            return self.reset_at_end(at, end);
        }
        let headers = {
            let headers = &mut locked(&stream.flow).response.headers;
            if stream.router.is_some() {
                add_server_and_date(headers, now);
            }
            headers.clone()
        };
        let status = headers.text(":status").and_then(|status| status.parse().ok());
        locked(&stream.transcript).response = Some(Response {
            status: status.unwrap_or_default(),
            headers,
            ..Response::default()
        });
        if end {
            self.complete(at);
        }
    }

    /// A chunk of body has passed all filters.
    pub(super) fn body_out(&mut self, at: StreamRef, direction: Direction, body: Vec<u8>, end: bool) {
        let Some(stream) = self.stream_mut(at) else {
            return;
        };
        match direction {
            Direction::Request if stream.router.is_some() => return self.route_body(at, &body, end),
            Direction::Request => {
                let mut transcript = locked(&stream.transcript);
                transcript.passed.body.extend(body);
                transcript.chunks += 1;
                return;
            }
            Direction::Response => {}
        }
        if stream.unsendable {
            return self.reset_at_end(at, end);
        }
        locked(&stream.flow).info.response_bytes += body.len() as u64;
        let mut transcript = locked(&stream.transcript);
        transcript.response.get_or_insert_default().body.extend(body);
        transcript.chunks += 1;
        drop(transcript);
        if end {
            self.complete(at);
        }
    }

    /// Trailers have passed all filters.
    pub(super) fn trailers_out(&mut self, at: StreamRef, direction: Direction) {
        let Some(stream) = self.stream_mut(at) else {
            return;
        };
        match direction {
            Direction::Request if stream.router.is_some() => return self.route_trailers(at),
            Direction::Request => {
                locked(&stream.transcript).passed.trailers = true;
                return;
            }
            Direction::Response => {}
        }
        let trailers = locked(&stream.flow).response.trailers.clone();
        if let Some(response) = &mut locked(&stream.transcript).response {
            response.trailers = trailers;
        }
        self.complete(at);
    }

    /// The client has the whole response.
    fn complete(&mut self, at: StreamRef) {
        let Some(stream) = self.stream_mut(at) else {
            return;
        };
        locked(&stream.transcript).complete = true;
        if stream.router.is_some() {
            self.finish(at);
        }
    }

    /// The client goes away.
    pub(crate) fn abort(&mut self, at: StreamRef) {
        if let Some(stream) = self.stream(at) {
            let info = &mut locked(&stream.flow).info;
            info.response_code_details = Some("http2.remote_reset".to_owned());
            info.response_flags |= flag::DOWNSTREAM_REMOTE_RESET;
        }
        self.reset(at);
    }

    fn reset_at_end(&mut self, at: StreamRef, end: bool) {
        if end {
            self.reset(at);
        }
    }

    /// The client's stream is reset.
    pub(crate) fn reset(&mut self, at: StreamRef) {
        if let Some(stream) = self.stream(at) {
            let mut transcript = locked(&stream.transcript);
            transcript.reset = !transcript.complete;
        }
        self.finish(at);
    }

    /// The end of a stream: every filter is told, in the order of the chain.
    pub(crate) fn finish(&mut self, at: StreamRef) {
        self.give_up_tries(at);
        let now = self.now();
        let Some(stream) = self.stream_mut(at).filter(|stream| !stream.finishing) else {
            return;
        };
        stream.finishing = true;
        locked(&stream.flow).info.ended = Some(now);
        locked(&stream.transcript).ended = true;
        let filters = 0..stream.filters.len();
        for filter in filters.clone() {
            self.log_filter(at, filter);
        }
        for filter in filters {
            self.end_filter(at, filter);
        }
        if let Some(worker) = self.worker_mut(at.worker) {
            worker.streams.remove(&at.stream);
        }
    }

    /// The access log comes first, for all filters: also for those that the request has never reached.
    fn log_filter(&mut self, at: StreamRef, filter: usize) {
        let Some(slot) = self.slot_mut(at, filter).filter(|slot| !slot.failed) else {
            return;
        };
        let (vm, known) = (slot.vm, slot.context);
        let Some(context) = known.or_else(|| self.make_context(at, filter)) else {
            return;
        };
        self.set_logging(vm, context, true);
        // A VM that fails on the way gets no further calls, as in Envoy; its failure is kept as a trap.
        let _ = self.call::<_, ()>(vm, Callback::Log, context, (context,));
        self.set_logging(vm, context, false);
        self.settle(vm);
    }

    fn set_logging(&mut self, at: VmRef, context: u32, logging: bool) {
        if let Some(stream) = self.vm_mut(at).and_then(|vm| vm.state_mut().stream_mut(context)) {
            stream.logging = logging;
        }
    }

    fn end_filter(&mut self, at: StreamRef, filter: usize) {
        let slot = self.slot_mut(at, filter).filter(|slot| !slot.failed);
        if let Some((vm, context)) = slot.and_then(|slot| Some((slot.vm, slot.context?))) {
            let _ = self.call::<_, u32>(vm, Callback::Done, context, (context,));
            self.delete_context(vm, context);
        }
    }

    /// Delete; and the end of the root context, when that only waited for this stream.
    pub(super) fn delete_context(&mut self, at: VmRef, context: u32) {
        let _ = self.call::<_, ()>(at, Callback::Delete, context, (context,));
        let ended = self.vm_mut(at).and_then(|vm| {
            let state = vm.state_mut();
            let Some(Context::Stream(stream)) = state.contexts.remove(&context) else {
                return None;
            };
            state.root_mut(stream.root)?.open_streams -= 1;
            Some(vm.end_if_idle(stream.root))
        });
        if let Some(Err(error)) = ended {
            self.fail(at, error);
        }
        self.settle(at);
    }

    /// The streams of a worker that is gone: their clients are cut off.
    pub(super) fn drop_streams(&mut self, at: WorkerRef) {
        let streams = self
            .worker_mut(at)
            .map(|worker| std::mem::take(&mut worker.streams));
        for stream in streams.into_iter().flatten().map(|(_, stream)| stream) {
            let mut transcript = locked(&stream.transcript);
            transcript.reset = !transcript.complete;
            transcript.ended = true;
        }
        self.drop_connections(at);
        self.upstreams.retain(|_, upstream| upstream.worker() != at);
    }
}

/// A status that can end a request; no codec writes another one.
fn is_final(headers: &HeaderMap) -> bool {
    let status = headers.text(":status").and_then(|status| status.parse().ok());
    status.is_none_or(|status: u32| (200..1000).contains(&status))
}

/// What Envoy's connection manager adds behind all filters.
fn add_server_and_date(headers: &mut HeaderMap, now: u64) {
    if headers.get("date").is_none() {
        let date = UNIX_EPOCH
            .checked_add(Duration::from_nanos(now))
            .map(httpdate::fmt_http_date);
        headers.add("date", date.unwrap_or_default());
    }
    headers.replace("server", "envoy");
}
