//! The calls of filters: one request to a cluster, one answer to the root context.

use crate::answer::Part;
use crate::header_map::HeaderMap;
use crate::process::shared::nanoseconds;
use crate::vm::callback::Callback;
use crate::vm::effect::{CallAnswer, HttpCall};
use crate::vm::length;
use crate::world::failure::Failure;
use crate::world::timeline::Event;
use crate::world::upstream::{Outgoing, Owner};
use crate::world::{VmRef, World};

/// A call that has not been answered in full.
pub(super) struct OpenCall {
    pub(super) vm: VmRef,
    pub(super) root: u32,
    pub(super) token: u32,
    pub(super) answer: CallAnswer,
}

/// What Envoy says when an answer takes too long.
const TIMEOUT: &str = "upstream request timeout";
impl World {
    /// Starts a call that a filter has dispatched.
    pub(super) fn start_call(&mut self, vm: VmRef, root: u32, token: u32, call: HttpCall) {
        let Some(shared) = self.shared(vm.worker.process) else {
            return;
        };
        let transcript = shared.calls.clone();
        let open = OpenCall {
            vm,
            root,
            token,
            answer: CallAnswer::default(),
        };
        let mut headers = call.headers;
        headers.replace("x-envoy-internal", "true");
        if !call.body.is_empty() {
            headers.replace("content-length", call.body.len().to_string());
        }
        let outgoing = Outgoing {
            cluster: call.cluster,
            headers,
            attempt: 1,
        };
        let Some((id, _)) = self.start_upstream(Owner::Call(open), outgoing, &[], &transcript) else {
            return;
        };
        if !call.timeout.is_zero() {
            let due = self.now().saturating_add(nanoseconds(call.timeout));
            self.timeline.add(due, Event::CallTimeout { upstream: id });
        }
        self.send_upstream(id, &call.body, None, true);
    }

    pub(super) fn call_part(&mut self, id: u64, mut part: Part, end: bool) {
        if let Part::Headers(headers) = &mut part {
            self.note_service_time(id, headers);
        }
        let Some(Owner::Call(call)) = self.upstreams.get_mut(&id).map(|upstream| &mut upstream.owner) else {
            return;
        };
        let begun = call.answer.headers.is_some();
        match part {
            Part::Headers(headers) => call.answer.headers = Some(headers),
            Part::Data(bytes) => call.answer.body.extend(bytes),
            Part::Trailers(trailers) => call.answer.trailers = Some(trailers),
            Part::Reset | Part::Closed if begun => return self.end_call(id, Some(broken())),
            Part::Reset => return self.end_call(id, Some(own_answer(503, &Failure::Reset.body(false)))),
            Part::Closed => return self.end_call(id, Some(own_answer(503, &Failure::Closed.body(false)))),
            Part::Refused => return self.end_call(id, Some(own_answer(503, &Failure::Refused.body(false)))),
        }
        if end {
            self.end_call(id, None);
        }
    }

    pub(super) fn call_timeout(&mut self, id: u64) {
        let Some(upstream) = self.upstreams.get(&id) else {
            return;
        };
        match &upstream.owner {
            Owner::Call(call) => {
                let begun = call.answer.headers.is_some();
                self.end_call(id, Some(if begun { broken() } else { own_answer(504, TIMEOUT) }));
            }
            Owner::Grpc(_) => self.grpc_timeout(id),
            Owner::Try(_) => {}
        }
    }

    /// Ends a call with what has come, or with something else.
    fn end_call(&mut self, id: u64, instead: Option<CallAnswer>) {
        let given_up = instead.is_some();
        let Some(upstream) = self.upstreams.get_mut(&id) else {
            return;
        };
        let Owner::Call(call) = &mut upstream.owner else {
            return;
        };
        let mut call = OpenCall {
            answer: std::mem::take(&mut call.answer),
            ..*call
        };
        if given_up {
            self.give_up_upstream(id);
        } else {
            self.upstreams.remove(&id);
        }
        let answer = instead.unwrap_or_else(|| std::mem::take(&mut call.answer));
        self.answer_call(call, answer);
    }

    /// Tells the root context, if it still lives and waits.
    fn answer_call(&mut self, call: OpenCall, answer: CallAnswer) {
        let Some(vm) = self.vm_mut(call.vm) else {
            return;
        };
        let Some(root) = vm.state_mut().root_mut(call.root) else {
            return;
        };
        if !root.calls.remove(&call.token) {
            return;
        }
        if answer.status.0 != 0 {
            root.status = answer.status.0;
        }
        let count = |headers: &Option<HeaderMap>| {
            headers
                .as_ref()
                .map_or(0, |headers| u32::try_from(headers.len()).unwrap_or(u32::MAX))
        };
        let (headers, body, trailers) = (
            count(&answer.headers),
            length(&answer.body),
            count(&answer.trailers),
        );
        let params = (call.root, call.token, headers, body, trailers);
        vm.state_mut().answer = Some(answer);
        // A failure is kept as a trap.
        let _ = self.call::<_, ()>(call.vm, Callback::HttpCallResponse, call.root, params);
        if let Some(vm) = self.vm_mut(call.vm) {
            vm.state_mut().answer = None;
        }
        self.settle(call.vm);
    }
}

/// An answer of the proxy itself.
fn own_answer(status: u16, body: &str) -> CallAnswer {
    let headers = [
        (":status", status.to_string()),
        ("content-length", body.len().to_string()),
        ("content-type", "text/plain".to_owned()),
    ];
    CallAnswer {
        headers: Some(headers.into_iter().collect()),
        body: body.as_bytes().to_vec(),
        ..CallAnswer::default()
    }
}

/// A call that failed after its answer had begun: no headers, no body.
fn broken() -> CallAnswer {
    CallAnswer {
        status: (11, "reset".to_owned()),
        ..CallAnswer::default()
    }
}
