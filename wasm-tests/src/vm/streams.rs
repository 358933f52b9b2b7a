//! Streams in a VM: the order of callbacks, and what each may see.

use wasmtime::WasmParams;

use crate::abi::Action;
use crate::error::HostError;
use crate::header_map::HeaderMap;
use crate::request::{Passed, Request, RequestOutcome};
use crate::vm::context::{Context, Message, StreamContext};
use crate::vm::{Vm, length, local_reply};

/// Which body.
#[derive(Clone, Copy)]
pub(crate) enum Body {
    Request,
    Response,
}

impl Body {
    fn callback(self) -> &'static str {
        match self {
            Self::Request => "proxy_on_request_body",
            Self::Response => "proxy_on_response_body",
        }
    }

    fn message(self, stream: &mut StreamContext) -> &mut Message {
        match self {
            Self::Request => &mut stream.request,
            Self::Response => &mut stream.response,
        }
    }
}

impl Vm {
    /// A new stream in the serving root context, up to the end of its request's headers.
    pub(crate) fn open_stream(&mut self, request: Request) -> Result<u32, HostError> {
        let root = self.serving;
        let count = count(&request.headers);
        let end_of_stream = u32::from(request.end_of_stream);
        let id = self.new_context(Context::Stream(Box::new(StreamContext::new(root, request))));
        if let Some(root) = self.store.data_mut().root_mut(root) {
            root.open_streams += 1;
        }
        self.call::<_, ()>(id, "proxy_on_context_create", (id, root))?;
        self.pass(
            id,
            Body::Request,
            "proxy_on_request_headers",
            (id, count, end_of_stream),
        )?;
        Ok(id)
    }

    pub(crate) fn response_headers(
        &mut self,
        id: u32,
        headers: HeaderMap,
        end_of_stream: bool,
    ) -> Result<Passed<HeaderMap>, HostError> {
        let params = (id, count(&headers), u32::from(end_of_stream));
        if let Some(stream) = self.store.data_mut().stream_mut(id) {
            stream.response.headers = headers;
        }
        let action = self.pass(id, Body::Response, "proxy_on_response_headers", params)?;
        let stream = self.store.data().stream(id);
        Ok(Passed {
            action,
            content: stream
                .map(|stream| stream.response.headers.clone())
                .unwrap_or_default(),
        })
    }

    /// Passes a chunk of a body: what the filter holds back is offered again, with the chunk after it.
    pub(crate) fn body(
        &mut self,
        id: u32,
        which: Body,
        chunk: &[u8],
        end_of_stream: bool,
    ) -> Result<Passed<Vec<u8>>, HostError> {
        let Some(stream) = self.store.data_mut().stream_mut(id) else {
            return Ok(held_back());
        };
        let held_at_headers = stream.local_response.is_some() || which.message(stream).visible;
        let message = which.message(stream);
        message.body.extend(chunk);
        if held_at_headers {
            return Ok(held_back());
        }
        let params = (id, length(&message.body), u32::from(end_of_stream));
        let action: Option<u32> = self.call(id, which.callback(), params)?;
        Ok(self.take_body(id, which, action.map_or(Action::Continue, Action::from_abi)))
    }

    /// What of a body goes on after its callback.
    fn take_body(&mut self, id: u32, which: Body, action: Action) -> Passed<Vec<u8>> {
        match self.store.data_mut().stream_mut(id) {
            Some(stream) if action == Action::Continue && stream.local_response.is_none() => Passed {
                action,
                content: std::mem::take(&mut which.message(stream).body),
            },
            _ => held_back(),
        }
    }

    /// Runs a headers callback, in which the message's headers can be seen.
    fn pass<P: WasmParams>(
        &mut self,
        id: u32,
        which: Body,
        callback: &str,
        params: P,
    ) -> Result<Action, HostError> {
        if let Some(stream) = self.store.data_mut().stream_mut(id) {
            let message = which.message(stream);
            message.visible = true;
            message.continued = false;
        }
        let action: Option<u32> = self.call(id, callback, params)?;
        Ok(self.settle(id, which, action.map_or(Action::Continue, Action::from_abi)))
    }

    /// What stands after a headers callback: a filter that has answered by itself stops the stream whatever it says.
    fn settle(&mut self, id: u32, which: Body, action: Action) -> Action {
        let Some(stream) = self.store.data_mut().stream_mut(id) else {
            return Action::Continue;
        };
        let answered = stream.local_response.is_some();
        let message = which.message(stream);
        message.paused = answered || (action == Action::Pause && !message.continued);
        message.visible = message.paused;
        if message.paused {
            Action::Pause
        } else {
            Action::Continue
        }
    }

    /// Sends local responses on their way: through the filter's own response callbacks, as Envoy does.
    pub(super) fn answer_streams(&mut self) -> Result<(), HostError> {
        while let Some((id, headers, body)) = self.next_answer() {
            let end_of_stream = u32::from(body.is_empty());
            let body_size = length(&body);
            if let Some(stream) = self.store.data_mut().stream_mut(id) {
                stream.answer = Some(HeaderMap::new());
                stream.response = Message {
                    headers,
                    visible: true,
                    body,
                    ..Message::default()
                };
            }
            let count = self
                .store
                .data()
                .stream(id)
                .map_or(0, |stream| count(&stream.response.headers));
            self.invoke::<_, u32>(id, "proxy_on_response_headers", (id, count, end_of_stream))?;
            if body_size > 0 {
                self.invoke::<_, u32>(id, "proxy_on_response_body", (id, body_size, 1_u32))?;
            }
            if let Some(stream) = self.store.data_mut().stream_mut(id) {
                stream.response.visible = false;
                stream.answer = Some(stream.response.headers.clone());
            }
        }
        Ok(())
    }

    /// The next stream that the filter has answered, and the answer as Envoy prepares it.
    fn next_answer(&self) -> Option<(u32, HeaderMap, Vec<u8>)> {
        self.store
            .data()
            .contexts
            .iter()
            .find_map(|(id, context)| match context {
                Context::Stream(stream) => {
                    let (headers, body) = local_reply::prepare(stream.unanswered()?, &stream.request.headers);
                    Some((*id, headers, body))
                }
                Context::Root(_) => None,
            })
    }

    /// The end of a stream, and of its root context when that only waited for it.
    pub(crate) fn finish_stream(&mut self, id: u32) -> Result<(), HostError> {
        self.call::<_, u32>(id, "proxy_on_done", (id,))?;
        if let Some(stream) = self.store.data_mut().stream_mut(id) {
            stream.logging = true;
        }
        self.call::<_, ()>(id, "proxy_on_log", (id,))?;
        self.call::<_, ()>(id, "proxy_on_delete", (id,))?;
        let state = self.store.data_mut();
        let Some(Context::Stream(stream)) = state.contexts.remove(&id) else {
            return Ok(());
        };
        if let Some(root) = state.root_mut(stream.root) {
            root.open_streams -= 1;
        }
        self.end_if_idle(stream.root)
    }

    /// What the filter has made of a stream's request by now.
    pub(crate) fn outcome(&self, id: u32) -> RequestOutcome {
        let stream = self.store.data().stream(id);
        let paused = stream.is_some_and(|stream| stream.request.paused || stream.local_response.is_some());
        RequestOutcome {
            action: if paused { Action::Pause } else { Action::Continue },
            headers: stream
                .map(|stream| stream.request.headers.clone())
                .unwrap_or_default(),
            local_response: stream.and_then(|stream| stream.local_response.clone()),
            answer: stream.and_then(|stream| stream.answer.clone()),
            filter_state: stream
                .map(|stream| stream.filter_state.clone())
                .unwrap_or_default(),
        }
    }
}

fn held_back() -> Passed<Vec<u8>> {
    Passed {
        action: Action::Pause,
        content: Vec::new(),
    }
}

fn count(headers: &HeaderMap) -> u32 {
    u32::try_from(headers.len()).unwrap_or(u32::MAX)
}
