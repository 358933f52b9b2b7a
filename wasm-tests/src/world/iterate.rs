//! How a message passes a chain of filters, as Envoy's filter manager has it (`source/common/http/filter_manager.cc`).

use wasmtime::WasmParams;

use crate::abi::Direction;
use crate::header_map::HeaderMap;
use crate::plugin_options::FailurePolicy;
use crate::process::shared::locked;
use crate::request::LocalResponse;
use crate::vm::callback::Callback;
use crate::vm::context::StreamContext;
use crate::vm::length;
use crate::world::router::own_reply;
use crate::world::stream::{AtHeaders, HttpStream, Stop};
use crate::world::tcp::Peer;
use crate::world::{StreamRef, World};

/// What the ABI's numbers mean for headers, body and trailers; a filter that has answered or closed a stream stops,
/// whatever it returns.
mod verdict {
    pub(super) const CONTINUE: u32 = 0;
    pub(super) const STOP: u32 = 1;
    pub(super) const STOP_AND_STREAM: u32 = 2;
    pub(super) const CONTINUE_AND_END: u32 = 2;
    pub(super) const STOP_WITHOUT_BUFFER: u32 = 3;
    pub(super) const NONE_OF_THEM: u32 = u32::MAX;
}

/// What became of a callback.
pub(super) enum Outcome {
    /// The filter is not in this stream's way.
    Passed,
    /// What it returned.
    Returned(u32),
    /// Its VM has failed, and the stream has been answered.
    Failed,
}

impl Direction {
    fn headers(self) -> Callback {
        match self {
            Self::Request => Callback::RequestHeaders,
            Self::Response => Callback::ResponseHeaders,
        }
    }

    fn body(self) -> Callback {
        match self {
            Self::Request => Callback::RequestBody,
            Self::Response => Callback::ResponseBody,
        }
    }

    fn trailers(self) -> Callback {
        match self {
            Self::Request => Callback::RequestTrailers,
            Self::Response => Callback::ResponseTrailers,
        }
    }
}

impl World {
    /// Whether a direction still goes on: the stream lives, and no filter has answered its request.
    fn goes_on(&self, at: StreamRef, direction: Direction) -> bool {
        self.stream(at)
            .is_some_and(|stream| direction == Direction::Response || !stream.answered)
    }

    /// Calls a stream callback of a filter, with the stream's VM and context.
    pub(super) fn call_filter<P: WasmParams>(
        &mut self,
        at: StreamRef,
        filter: usize,
        callback: Callback,
        params: impl FnOnce(u32) -> P,
    ) -> Outcome {
        let Some(slot) = self.slot_mut(at, filter) else {
            return Outcome::Failed;
        };
        let (vm, context) = (slot.vm, slot.context);
        let Some(context) = context else {
            return Outcome::Passed;
        };
        if self.vm(vm).is_none() {
            return self.filter_is_gone(at, filter);
        }
        match self.call::<_, u32>(vm, callback, context, params(context)) {
            Ok(None) => Outcome::Returned(verdict::CONTINUE),
            Ok(Some(returned)) => {
                let stops = self.vm(vm).is_some_and(|vm| vm.state().stop_iteration);
                Outcome::Returned(if stops { verdict::NONE_OF_THEM } else { returned })
            }
            Err(_) => self.filter_failed(at, filter),
        }
    }

    /// A VM that had failed before: with FAIL_OPEN the stream goes past the filter, else it is answered 503.
    pub(super) fn filter_is_gone(&mut self, at: StreamRef, filter: usize) -> Outcome {
        match self.slot_mut(at, filter) {
            Some(slot) if slot.policy == FailurePolicy::FailOpen => {
                slot.context = None;
                Outcome::Passed
            }
            _ => self.filter_failed(at, filter),
        }
    }

    /// The stream whose callback failed is answered 503 (a TCP connection is closed), whatever the policy.
    fn filter_failed(&mut self, at: StreamRef, filter: usize) -> Outcome {
        if let Some(slot) = self.slot_mut(at, filter) {
            slot.context = None;
            if !std::mem::replace(&mut slot.failed, true) {
                self.local_reply(at, failed_reply());
                self.end_connection(at, Peer::Local);
            }
        }
        Outcome::Failed
    }

    /// Shows or hides a message's headers.
    fn show_headers(&mut self, at: StreamRef, filter: usize, direction: Direction, shown: bool) {
        self.with_view(at, filter, |stream| stream.view_mut(direction).headers = shown);
    }

    pub(super) fn with_view<T>(
        &mut self,
        at: StreamRef,
        filter: usize,
        change: impl FnOnce(&mut StreamContext) -> T,
    ) -> Option<T> {
        let slot = self.slot_mut(at, filter)?;
        let (vm, context) = (slot.vm, slot.context?);
        self.vm_mut(vm)?.state_mut().stream_mut(context).map(change)
    }

    /// Does what a filter asked for in its callback, before what the callback returned counts: so to continue the
    /// stream within the callback that holds it has no effect, as in Envoy.
    pub(super) fn settle_filter(&mut self, at: StreamRef, filter: usize) {
        if let Some(vm) = self.slot_mut(at, filter).map(|slot| slot.vm) {
            self.settle(vm);
        }
    }

    /// Passes headers to a filter and those after it; without one to what stands behind the chain.
    pub(super) fn pass_headers(
        &mut self,
        at: StreamRef,
        filter: Option<usize>,
        direction: Direction,
        end: bool,
    ) {
        if !self.goes_on(at, direction) {
            return;
        }
        let Some(filter) = filter else {
            return self.headers_out(at, direction, end);
        };
        if direction == Direction::Request && self.make_context(at, filter).is_none() {
            if let Outcome::Passed = self.filter_is_gone(at, filter) {
                let next = self.next(at, filter, direction);
                self.pass_headers(at, next, direction, end);
            }
            return;
        }
        self.show_headers(at, filter, direction, true);
        self.set_at_headers(at, filter, direction, AtHeaders::Inside);
        let count = self.header_count(at, direction);
        let outcome = self.call_filter(at, filter, direction.headers(), |context| {
            (context, count, u32::from(end))
        });
        self.settle_filter(at, filter);
        let sent_on = self.set_at_headers(at, filter, direction, AtHeaders::Elsewhere) == AtHeaders::SentOn;
        let goes_on = self.note_headers(at, filter, direction, &outcome, sent_on);
        if goes_on && sent_on {
            self.crash(
                at,
                "to continue a stream in the headers callback that lets it go on anyway",
            );
        } else if goes_on {
            let next = self.next(at, filter, direction);
            self.pass_headers(at, next, direction, end);
        }
    }

    fn set_at_headers(
        &mut self,
        at: StreamRef,
        filter: usize,
        direction: Direction,
        now: AtHeaders,
    ) -> AtHeaders {
        let slot = self.slot_mut(at, filter);
        slot.map_or(AtHeaders::Elsewhere, |slot| {
            std::mem::replace(&mut slot.side_mut(direction).at_headers, now)
        })
    }

    /// Notes what a filter wants done with the headers; true when they go on.
    fn note_headers(
        &mut self,
        at: StreamRef,
        filter: usize,
        direction: Direction,
        outcome: &Outcome,
        sent_on: bool,
    ) -> bool {
        let Outcome::Returned(returned) = *outcome else {
            return matches!(outcome, Outcome::Passed);
        };
        if matches!(returned, verdict::CONTINUE | verdict::CONTINUE_AND_END) {
            self.show_headers(at, filter, direction, false);
            return true;
        }
        if let Some(slot) = self.slot_mut(at, filter) {
            let single = returned == verdict::STOP && slot.holds_headers_only;
            let side = slot.side_mut(direction);
            side.stop = if single { Stop::Single } else { Stop::All };
            side.headers_pending = !sent_on;
        }
        false
    }

    /// Passes a chunk of body to a filter and those after it.
    pub(super) fn pass_body(
        &mut self,
        at: StreamRef,
        filter: Option<usize>,
        direction: Direction,
        chunk: Vec<u8>,
        end: bool,
    ) {
        if !self.goes_on(at, direction) {
            return;
        }
        let Some(filter) = filter else {
            return self.body_out(at, direction, chunk, end);
        };
        let Some(slot) = self.slot_mut(at, filter) else {
            return;
        };
        let side = slot.side_mut(direction);
        if side.stop == Stop::All {
            side.buffer.get_or_insert_default().extend(chunk);
            return;
        }
        let size = self.offer_body(at, filter, direction, chunk, end);
        let outcome = self.call_filter(at, filter, direction.body(), |context| {
            (context, size, u32::from(end))
        });
        self.settle_filter(at, filter);
        if let Some(body) = self.note_body(at, filter, direction, &outcome, end) {
            self.body_goes_on(at, filter, direction, body, end);
        }
    }

    /// Lets a filter see a chunk, after what it holds back; tells how much that is.
    fn offer_body(
        &mut self,
        at: StreamRef,
        filter: usize,
        direction: Direction,
        chunk: Vec<u8>,
        end: bool,
    ) -> u32 {
        let shown = self.with_view(at, filter, |stream| {
            let view = stream.view_mut(direction);
            let body = view.body.get_or_insert_default();
            body.extend(&chunk);
            view.end_of_stream = end;
            length(body)
        });
        if shown.is_none()
            && let Some(slot) = self.slot_mut(at, filter)
        {
            // No context: the chunk only passes through.
            slot.side_mut(direction)
                .buffer
                .get_or_insert_default()
                .extend(chunk);
        }
        shown.unwrap_or_default()
    }

    /// Notes what a filter wants done with the body; what goes on, if anything.
    fn note_body(
        &mut self,
        at: StreamRef,
        filter: usize,
        direction: Direction,
        outcome: &Outcome,
        end: bool,
    ) -> Option<Vec<u8>> {
        let seen = self.with_view(at, filter, |stream| {
            let view = stream.view_mut(direction);
            view.end_of_stream = false;
            view.body.take()
        });
        let body = seen.flatten();
        let added_trailers = end && self.has_trailers(at, direction);
        let side = self.slot_mut(at, filter)?.side_mut(direction);
        let returned = match outcome {
            Outcome::Returned(returned) => *returned,
            Outcome::Passed => {
                let waited = side.buffer.take().unwrap_or_default();
                return Some(body.unwrap_or(waited));
            }
            Outcome::Failed => return None,
        };
        if returned == verdict::CONTINUE {
            side.holding = false;
            return Some(body.unwrap_or_default());
        }
        side.stop = Stop::Single;
        side.trailers_pending |= added_trailers;
        match returned {
            verdict::STOP => {
                side.holding = true;
                let held = body.as_ref().map_or(0, Vec::len);
                self.with_view(at, filter, |stream| stream.view_mut(direction).body = body);
                self.limit_held_body(at, direction, held);
            }
            verdict::STOP_AND_STREAM => side
                .buffer
                .get_or_insert_default()
                .extend(body.unwrap_or_default()),
            verdict::STOP_WITHOUT_BUFFER.. if end => drop(side.buffer.get_or_insert_default()),
            _ => {}
        }
        None
    }

    /// A filter can't hold back more than the chain's limit.
    fn limit_held_body(&mut self, at: StreamRef, direction: Direction, held: usize) {
        if self
            .stream(at)
            .is_none_or(|stream| held <= stream.chain.buffer_limit)
        {
            return;
        }
        let (status, body, details) = match direction {
            Direction::Request => (413, "Payload Too Large", "request_payload_too_large"),
            Direction::Response => (500, "Internal Server Error", "response_payload_too_large"),
        };
        self.local_reply(at, own_reply(status, body, details));
    }

    /// A body that a filter lets pass: when it had stopped the stream before, everything that waits goes with it.
    fn body_goes_on(&mut self, at: StreamRef, filter: usize, direction: Direction, body: Vec<u8>, end: bool) {
        let Some(side) = self.slot_mut(at, filter).map(|slot| slot.side_mut(direction)) else {
            return;
        };
        if side.stop == Stop::Single {
            side.buffer.get_or_insert_default().extend(body);
            return self.resume(at, filter, direction);
        }
        let next = self.next(at, filter, direction);
        self.pass_body(
            at,
            next,
            direction,
            body,
            end && !self.has_trailers(at, direction),
        );
        if end && self.has_trailers(at, direction) {
            self.pass_trailers(at, next, direction);
        }
    }

    /// Passes trailers to a filter and those after it.
    pub(super) fn pass_trailers(&mut self, at: StreamRef, filter: Option<usize>, direction: Direction) {
        if !self.goes_on(at, direction) {
            return;
        }
        let Some(filter) = filter else {
            return self.trailers_out(at, direction);
        };
        let Some(side) = self.slot_mut(at, filter).map(|slot| slot.side_mut(direction)) else {
            return;
        };
        side.trailers_pending = true;
        if side.stop == Stop::All {
            return;
        }
        self.with_view(at, filter, |stream| stream.view_mut(direction).trailers = true);
        let count = self.trailer_count(at, direction);
        let outcome = self.call_filter(at, filter, direction.trailers(), |context| (context, count));
        self.settle_filter(at, filter);
        let goes_on = match outcome {
            Outcome::Returned(returned) => returned == verdict::CONTINUE,
            Outcome::Passed => true,
            Outcome::Failed => false,
        };
        if goes_on {
            self.with_view(at, filter, |stream| stream.view_mut(direction).trailers = false);
        } else if let Some(slot) = self.slot_mut(at, filter) {
            slot.side_mut(direction).stop = Stop::Single;
        }
        if goes_on {
            self.trailers_go_on(at, filter, direction);
        }
    }

    fn trailers_go_on(&mut self, at: StreamRef, filter: usize, direction: Direction) {
        let Some(side) = self.slot_mut(at, filter).map(|slot| slot.side_mut(direction)) else {
            return;
        };
        if side.stop == Stop::Single {
            return self.resume(at, filter, direction);
        }
        side.trailers_pending = false;
        let next = self.next(at, filter, direction);
        self.pass_trailers(at, next, direction);
    }

    /// A filter continues a stream in its headers callback: the headers go on at that moment, and what the callback
    /// returns counts afterwards.
    fn resume_at_headers(&mut self, at: StreamRef, filter: usize, direction: Direction) -> bool {
        let Some(slot) = self.slot_mut(at, filter) else {
            return false;
        };
        let side = slot.side_mut(direction);
        if side.at_headers != AtHeaders::Inside {
            return false;
        }
        side.at_headers = AtHeaders::SentOn;
        let next = self.next(at, filter, direction);
        let complete = self
            .stream_mut(at)
            .is_some_and(|stream| stream.arrival(direction).complete);
        let end = complete && !self.has_trailers(at, direction);
        self.pass_headers(at, next, direction, end);
        true
    }

    /// Lets a stopped stream go on after a filter: what waits passes, in order. After a stop of everything the filter
    /// itself gets body and trailers first.
    pub(super) fn resume(&mut self, at: StreamRef, filter: usize, direction: Direction) {
        if self.resume_at_headers(at, filter, direction) {
            return;
        }
        let complete = self
            .stream_mut(at)
            .is_some_and(|stream| stream.arrival(direction).complete);
        let has_trailers = self.has_trailers(at, direction);
        let Some(slot) = self.slot_mut(at, filter) else {
            return;
        };
        let side = slot.side_mut(direction);
        let stop = std::mem::take(&mut side.stop);
        if stop == Stop::No {
            return;
        }
        let headers = std::mem::take(&mut side.headers_pending);
        let trailers = std::mem::take(&mut side.trailers_pending);
        let body = self.waiting_body(at, filter, direction);
        let next = self.next(at, filter, direction);
        let from = if stop == Stop::All { Some(filter) } else { next };
        if headers {
            let end = complete && body.is_none() && !trailers;
            self.show_headers(at, filter, direction, false);
            self.pass_headers(at, next, direction, end);
        }
        if let Some(body) = body {
            self.pass_body(at, from, direction, body, complete && !has_trailers);
        }
        if trailers {
            self.pass_trailers(at, from, direction);
        }
    }

    /// What a filter has looked at and held back, then what has come since.
    fn waiting_body(&mut self, at: StreamRef, filter: usize, direction: Direction) -> Option<Vec<u8>> {
        let side = self.slot_mut(at, filter)?.side_mut(direction);
        let holding = std::mem::take(&mut side.holding);
        let waiting = side.buffer.take();
        let held = self.with_view(at, filter, |stream| stream.view_mut(direction).body.take());
        match held.flatten().filter(|_| holding) {
            Some(held) => Some([held, waiting.unwrap_or_default()].concat()),
            None => waiting,
        }
    }

    fn next(&self, at: StreamRef, filter: usize, direction: Direction) -> Option<usize> {
        self.stream(at)?.next(filter, direction)
    }

    fn header_count(&self, at: StreamRef, direction: Direction) -> u32 {
        let count = |stream: &HttpStream| locked(&stream.flow).message(direction).headers.len();
        self.stream(at)
            .map_or(0, |stream| u32::try_from(count(stream)).unwrap_or(u32::MAX))
    }

    fn trailer_count(&self, at: StreamRef, direction: Direction) -> u32 {
        let count = |stream: &HttpStream| {
            let flow = locked(&stream.flow);
            flow.message(direction)
                .trailers
                .as_ref()
                .map_or(0, HeaderMap::len)
        };
        self.stream(at)
            .map_or(0, |stream| u32::try_from(count(stream)).unwrap_or(u32::MAX))
    }

    fn has_trailers(&self, at: StreamRef, direction: Direction) -> bool {
        self.stream(at)
            .is_some_and(|stream| locked(&stream.flow).message(direction).trailers.is_some())
    }
}

/// What a client gets when a filter has failed and its policy is not FAIL_OPEN.
fn failed_reply() -> LocalResponse {
    LocalResponse {
        grpc_status: Some(14),
        ..own_reply(503, "", "wasm_fail_stream")
    }
}
