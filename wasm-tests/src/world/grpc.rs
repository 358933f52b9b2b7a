//! The gRPC calls and streams of filters: HTTP/2 requests to clusters, and callbacks to the root context.
//!
//! Source: `source/common/grpc/async_client_impl.cc` of Envoy.

use crate::answer::Part;
use crate::grpc_frames::{Frames, frame};
use crate::header_map::HeaderMap;
use crate::process::shared::nanoseconds;
use crate::vm::callback::Callback;
use crate::vm::grpc::{GrpcEvent, GrpcStart, GrpcStep, code};
use crate::vm::length;
use crate::world::failure::Failure;
use crate::world::timeline::Event;
use crate::world::upstream::{Outgoing, Owner};
use crate::world::{VmRef, World};

/// A call or a stream, as its VM numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GrpcRef {
    pub(super) vm: VmRef,
    pub(super) root: u32,
    pub(super) token: u32,
}

/// One that has not ended.
pub(super) struct OpenGrpc {
    pub(super) at: GrpcRef,
    unary: bool,
    /// The headers have come.
    begun: bool,
    frames: Frames,
    /// The last message of a unary call.
    message: Option<Vec<u8>>,
}

/// Why an answer ended, as Envoy adds it to the status.
const VIA_UPSTREAM: &str = "via_upstream";

/// What Envoy itself answers: the status' message, and the details.
const TIMEOUT: (&str, &str) = ("upstream request timeout", "response_timeout");

impl World {
    /// Does what a filter has asked for.
    pub(super) fn grpc_step(&mut self, at: GrpcRef, step: GrpcStep) {
        match step {
            GrpcStep::Start(start) => self.start_grpc(at, start),
            GrpcStep::Fail(message) => self.tell_status(at, code::UNAVAILABLE, message.to_owned()),
            GrpcStep::Send { bytes, end } => {
                if let Some(id) = self.grpc_upstream(at) {
                    self.send_upstream(id, &bytes, None, end);
                }
            }
            GrpcStep::Reset => {
                if let Some(id) = self.grpc_upstream(at) {
                    self.give_up_upstream(id);
                }
            }
        }
    }

    fn grpc_upstream(&self, at: GrpcRef) -> Option<u64> {
        let mut found = self.upstreams.iter();
        found.find_map(|(id, upstream)| {
            matches!(&upstream.owner, Owner::Grpc(open) if open.at == at).then_some(*id)
        })
    }

    /// One that was cancelled in the same callback never starts.
    fn start_grpc(&mut self, at: GrpcRef, start: GrpcStart) {
        let waits = self.vm(at.vm).and_then(|vm| vm.state().root(at.root));
        if !waits.is_some_and(|root| root.grpc.contains_key(&at.token)) {
            return;
        }
        let Some(transcript) = self
            .shared(at.vm.worker.process)
            .map(|shared| shared.calls.clone())
        else {
            return;
        };
        let open = OpenGrpc {
            at,
            unary: start.message.is_some(),
            begun: false,
            frames: Frames::default(),
            message: None,
        };
        let outgoing = Outgoing {
            cluster: start.cluster,
            headers: start.headers,
            attempt: 1,
        };
        let Some((id, _)) = self.start_upstream(Owner::Grpc(open), outgoing, &[], &transcript) else {
            return;
        };
        if !start.timeout.is_zero() {
            let due = self.now().saturating_add(nanoseconds(start.timeout));
            self.timeline.add(due, Event::CallTimeout { upstream: id });
        }
        if let Some(message) = start.message {
            self.send_upstream(id, &frame(&message), None, true);
        }
    }

    fn open_grpc(&mut self, id: u64) -> Option<&mut OpenGrpc> {
        match &mut self.upstreams.get_mut(&id)?.owner {
            Owner::Grpc(open) => Some(open),
            _ => None,
        }
    }

    pub(super) fn grpc_part(&mut self, id: u64, part: Part, end: bool) {
        let begun = self.open_grpc(id).is_some_and(|open| open.begun);
        match part {
            Part::Headers(headers) => self.grpc_headers(id, headers, end),
            Part::Data(bytes) => self.grpc_data(id, &bytes, end),
            Part::Trailers(trailers) => self.end_grpc_by(id, trailers, VIA_UPSTREAM),
            Part::Reset | Part::Closed | Part::Refused if begun => self.fail_grpc(id, code::INTERNAL),
            Part::Reset => self.grpc_host_failed(id, Failure::Reset),
            Part::Closed => self.grpc_host_failed(id, Failure::Closed),
            Part::Refused => self.grpc_host_failed(id, Failure::Refused),
        }
    }

    fn grpc_host_failed(&mut self, id: u64, failure: Failure) {
        self.own_grpc_answer(id, (&failure.body(false), failure.details()));
    }

    pub(super) fn grpc_timeout(&mut self, id: u64) {
        match self.open_grpc(id) {
            Some(open) if open.begun => self.fail_grpc(id, code::INTERNAL),
            Some(_) => self.own_grpc_answer(id, TIMEOUT),
            None => {}
        }
    }

    fn grpc_headers(&mut self, id: u64, mut headers: HeaderMap, end: bool) {
        let status = headers.text(":status").and_then(|status| status.parse().ok());
        let status = status.unwrap_or(0);
        if let Some(open) = self.open_grpc(id) {
            open.begun = true;
        }
        if end && (status == 200 || headers.get("grpc-status").is_some()) {
            self.grpc_metadata(id, HeaderMap::new());
            return self.end_grpc_by(id, headers, VIA_UPSTREAM);
        }
        if status != 200 {
            self.grpc_metadata(id, HeaderMap::new());
            return self.fail_grpc(id, of_http(status));
        }
        self.note_service_time(id, &mut headers);
        self.grpc_metadata(id, headers);
    }

    fn grpc_metadata(&mut self, id: u64, metadata: HeaderMap) {
        let count = u32::try_from(metadata.len()).unwrap_or(u32::MAX);
        self.stream_event(
            id,
            Callback::GrpcInitialMetadata,
            count,
            GrpcEvent::InitialMetadata(metadata),
        );
    }

    fn grpc_data(&mut self, id: u64, bytes: &[u8], end: bool) {
        let Some(open) = self.open_grpc(id) else {
            return;
        };
        let (messages, whole) = open.frames.push(bytes);
        for message in messages {
            if let Some(open) = self.open_grpc(id).filter(|open| open.unary) {
                open.message = Some(message);
            } else {
                let size = length(&message);
                self.stream_event(id, Callback::GrpcMessage, size, GrpcEvent::Message(message));
            }
        }
        if !whole {
            self.fail_grpc(id, code::INTERNAL);
        } else if end {
            self.fail_grpc(id, code::UNKNOWN);
        }
    }

    /// Envoy answers in the upstream's place: with headers only.
    fn own_grpc_answer(&mut self, id: u64, (message, details): (&str, &str)) {
        let status = code::UNAVAILABLE.to_string();
        let headers = [
            (":status", "200"),
            ("content-type", "application/grpc"),
            ("grpc-status", &status),
            ("grpc-message", message),
        ];
        self.grpc_metadata(id, HeaderMap::new());
        self.end_grpc_by(id, headers.into_iter().collect(), details);
    }

    fn fail_grpc(&mut self, id: u64, status: u32) {
        self.trailing_metadata(id, HeaderMap::new());
        self.end_grpc(id, status, VIA_UPSTREAM.to_owned());
    }

    /// The end, with the status that trailers give.
    fn end_grpc_by(&mut self, id: u64, trailers: HeaderMap, details: &str) {
        let status = trailers
            .text("grpc-status")
            .map_or(code::UNKNOWN, |status| of_text(&status));
        let message = trailers.text("grpc-message").unwrap_or_default();
        let message = if message.is_empty() {
            details.to_owned()
        } else {
            format!("{message}{{{details}}}")
        };
        self.trailing_metadata(id, trailers);
        self.end_grpc(id, status, message);
    }

    fn trailing_metadata(&mut self, id: u64, metadata: HeaderMap) {
        let count = u32::try_from(metadata.len()).unwrap_or(u32::MAX);
        self.stream_event(
            id,
            Callback::GrpcTrailingMetadata,
            count,
            GrpcEvent::TrailingMetadata(metadata),
        );
    }

    /// A unary call that went well brings its message, and no status.
    fn end_grpc(&mut self, id: u64, status: u32, details: String) {
        let Some(open) = self.open_grpc(id) else {
            return;
        };
        let (at, unary, message) = (open.at, open.unary, open.message.take());
        self.leave_upstream(id);
        match message {
            Some(message) if unary && status == 0 => {
                self.tell(
                    at,
                    Callback::GrpcMessage,
                    length(&message),
                    GrpcEvent::Message(message),
                );
            }
            None if unary && status == 0 => self.tell_status(at, code::INTERNAL, String::new()),
            _ => {
                self.note_grpc_end(at);
                self.tell_status(at, status, details);
            }
        }
        self.forget_grpc(at, unary);
    }

    /// The filter may still close a stream that has ended.
    fn note_grpc_end(&mut self, at: GrpcRef) {
        let root = self.vm_mut(at.vm).and_then(|vm| vm.state_mut().root_mut(at.root));
        if let Some(call) = root.and_then(|root| root.grpc.get_mut(&at.token)) {
            call.closed_there = true;
        }
    }

    fn forget_grpc(&mut self, at: GrpcRef, unary: bool) {
        let root = self.vm_mut(at.vm).and_then(|vm| vm.state_mut().root_mut(at.root));
        if let Some(root) = root
            && root
                .grpc
                .get(&at.token)
                .is_some_and(|call| unary || call.closed_here)
        {
            root.grpc.remove(&at.token);
        }
    }

    /// The status' code stays readable after the callback, its message does not.
    fn tell_status(&mut self, at: GrpcRef, status: u32, message: String) {
        let root = self.vm_mut(at.vm).and_then(|vm| vm.state_mut().root_mut(at.root));
        if let Some(root) = root {
            root.status = status;
        }
        self.tell(at, Callback::GrpcClose, status, GrpcEvent::Closed(message));
    }

    /// An event of a stream; of a unary call the filter hears the end only.
    fn stream_event(&mut self, id: u64, callback: Callback, value: u32, event: GrpcEvent) {
        if let Some(at) = self.open_grpc(id).filter(|open| !open.unary).map(|open| open.at) {
            self.tell(at, callback, value, event);
        }
    }

    /// Calls the root context, if it still lives.
    fn tell(&mut self, at: GrpcRef, callback: Callback, value: u32, event: GrpcEvent) {
        let vm = self.vm_mut(at.vm);
        let Some(vm) = vm.filter(|vm| vm.state().root(at.root).is_some()) else {
            return;
        };
        vm.state_mut().grpc = Some(event);
        // A failure is kept as a trap.
        let _ = self.call::<_, ()>(at.vm, callback, at.root, (at.root, at.token, value));
        if let Some(vm) = self.vm_mut(at.vm) {
            vm.state_mut().grpc = None;
        }
        self.settle(at.vm);
    }
}

/// The status of an HTTP answer that gives none itself.
///
/// Source: <https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md>
fn of_http(status: u16) -> u32 {
    match status {
        400 => code::INTERNAL,
        401 => code::UNAUTHENTICATED,
        403 => code::PERMISSION_DENIED,
        404 => code::UNIMPLEMENTED,
        429 | 502..=504 => code::UNAVAILABLE,
        _ => code::UNKNOWN,
    }
}

fn of_text(status: &str) -> u32 {
    let number = status.parse().ok();
    number
        .filter(|number| *number <= code::UNAUTHENTICATED)
        .unwrap_or(code::INVALID)
}
