//! How a message passes a chain of filters, as Envoy's filter manager has it (`source/common/http/filter_manager.cc`).

mod body;
mod headers;
mod resume;
mod trailers;

use wasmtime::WasmParams;

use crate::abi::Direction;
use crate::header_map::HeaderMap;
use crate::plugin_options::FailurePolicy;
use crate::process::shared::locked;
use crate::request::LocalResponse;
use crate::vm::callback::Callback;
use crate::vm::context::StreamContext;
use crate::world::router::own_reply;
use crate::world::stream::HttpStream;
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

    /// Does what a filter asked for in its callback; what the callback returned counts after that, as in Envoy.
    pub(super) fn settle_filter(&mut self, at: StreamRef, filter: usize) {
        if let Some(vm) = self.slot_mut(at, filter).map(|slot| slot.vm) {
            self.settle(vm);
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
