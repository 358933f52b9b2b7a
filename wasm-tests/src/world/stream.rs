//! A stream through a chain of filters.

use std::sync::{Arc, Mutex};

use crate::abi::{Direction, Protocol};
use crate::chain::{ChainSpec, Terminal};
use crate::error::HostError;
use crate::flow::{Flow, SharedFlow, StreamInfo};
use crate::plugin_options::FailurePolicy;
use crate::process::shared::locked;
use crate::request::{Body, Request};
use crate::transcript::{SharedTranscript, Transcript};
use crate::vm::callback::Callback;
use crate::vm::context::{Context, StreamContext, View};
use crate::world::router::Router;
use crate::world::{StreamRef, VmRef, WorkerRef, World};

/// What a worker knows of a stream.
pub(crate) struct HttpStream {
    pub(super) chain: Arc<ChainSpec>,
    pub(super) filters: Vec<FilterSlot>,
    pub(super) flow: SharedFlow,
    pub(super) transcript: SharedTranscript,
    pub(super) request: Arrival,
    pub(super) response: Arrival,
    pub(super) router: Option<Router>,
    /// A filter has answered: the request goes no further.
    pub(super) answered: bool,
    /// The response's headers have reached the client.
    pub(super) response_sent: bool,
    /// The response has a status that no codec writes: the client is reset when the response has passed.
    pub(super) unsendable: bool,
    /// Its filters are being told that it has ended.
    pub(super) finishing: bool,
}

/// What of a message has come in at the chain's end.
#[derive(Clone, Copy, Default)]
pub(super) struct Arrival {
    pub(super) started: bool,
    pub(super) complete: bool,
}

/// One filter's place in a stream.
pub(super) struct FilterSlot {
    pub(super) vm: VmRef,
    pub(super) root: u32,
    pub(super) policy: FailurePolicy,
    pub(super) holds_headers_only: bool,
    /// Its context, once the request's headers have reached it.
    pub(super) context: Option<u32>,
    /// The filter's VM has failed, and the stream has been told.
    pub(super) failed: bool,
    pub(super) request: Side,
    pub(super) response: Side,
}

/// How far a filter lets one direction pass.
#[derive(Default)]
pub(super) struct Side {
    pub(super) stop: Stop,
    pub(super) headers_pending: bool,
    /// The filter's headers callback runs, or has run and the filter has sent them on during it.
    pub(super) at_headers: AtHeaders,
    pub(super) trailers_pending: bool,
    /// The filter looks at the body that it holds, in its context.
    pub(super) holding: bool,
    /// What waits for the filter, or for what comes after it.
    pub(super) buffer: Option<Vec<u8>>,
}

/// Where a filter stands with headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum AtHeaders {
    #[default]
    Elsewhere,
    /// In the callback.
    Inside,
    /// In the callback, and it has continued the stream already.
    SentOn,
}

/// Whether a filter has stopped the iteration.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stop {
    #[default]
    No,
    /// It gets what comes next, and nothing goes on.
    Single,
    /// It gets nothing more either.
    All,
}

/// The handles of a stream that was opened.
pub(crate) struct Opened {
    pub(crate) at: StreamRef,
    pub(crate) flow: SharedFlow,
    pub(crate) transcript: SharedTranscript,
    /// The first filter's context.
    pub(crate) context: u32,
}

impl FilterSlot {
    pub(super) fn side_mut(&mut self, direction: Direction) -> &mut Side {
        match direction {
            Direction::Request => &mut self.request,
            Direction::Response => &mut self.response,
        }
    }
}

impl HttpStream {
    pub(super) fn arrival(&mut self, direction: Direction) -> &mut Arrival {
        match direction {
            Direction::Request => &mut self.request,
            Direction::Response => &mut self.response,
        }
    }
}

impl World {
    /// Begins a stream, and passes as much of its request as the test has given.
    pub(crate) fn open(&mut self, at: WorkerRef, chain: Arc<ChainSpec>, request: Request) -> Opened {
        let (stream, body) = self.new_stream(at, chain, request);
        let Some(known) = self.stream(stream) else {
            return Opened::nothing(stream);
        };
        let (flow, transcript) = (Arc::clone(&known.flow), Arc::clone(&known.transcript));
        self.foresee_route(stream);
        self.send_request(stream, body);
        self.run_due();
        let first = self
            .stream(stream)
            .and_then(|stream| stream.filters.first()?.context);
        Opened {
            at: stream,
            flow,
            transcript,
            context: first.unwrap_or_default(),
        }
    }

    fn new_stream(&mut self, at: WorkerRef, chain: Arc<ChainSpec>, request: Request) -> (StreamRef, Body) {
        let filters = chain
            .plugins
            .iter()
            .map(|plugin| self.slot(at, *plugin))
            .collect();
        let router = matches!(chain.terminal, Terminal::Router(_)).then(Router::default);
        let (flow, body) = self.flow_of(request);
        let stream = HttpStream {
            chain,
            filters,
            flow: Arc::new(Mutex::new(flow)),
            transcript: Arc::new(Mutex::new(Transcript::default())),
            request: Arrival::default(),
            response: Arrival::default(),
            router,
            answered: false,
            response_sent: false,
            unsendable: false,
            finishing: false,
        };
        let Some(worker) = self.worker_mut(at) else {
            return (
                StreamRef {
                    worker: at,
                    stream: 0,
                },
                body,
            );
        };
        worker.last_stream += 1;
        let number = worker.last_stream;
        worker.streams.insert(number, stream);
        (
            StreamRef {
                worker: at,
                stream: number,
            },
            body,
        )
    }

    fn flow_of(&self, request: Request) -> (Flow, Body) {
        let mut flow = Flow {
            properties: request.properties,
            info: StreamInfo {
                time: self.clock.wall(),
                started: self.now(),
                protocol: if request.http1 { "HTTP/1.1" } else { "HTTP/2" },
                ..StreamInfo::default()
            },
            ..Flow::default()
        };
        flow.request.headers = request.headers;
        if !request.http1 {
            // RFC 9113, 8.2.3.
            flow.request.headers.join("cookie", b"; ");
        }
        flow.request.trailers = request.trailers;
        (flow, request.body)
    }

    pub(super) fn slot(&mut self, at: WorkerRef, plugin: usize) -> FilterSlot {
        self.reload_if_failed(at, plugin);
        let instance = self.instance(at, plugin);
        let options = self.plugin(at.process, plugin).map(|spec| &spec.options);
        FilterSlot {
            vm: VmRef {
                worker: at,
                vm: instance.and_then(|instance| instance.vm).unwrap_or_default(),
            },
            root: instance.map_or(0, |instance| instance.root),
            policy: options.map(|options| options.failure_policy).unwrap_or_default(),
            holds_headers_only: options.is_some_and(|options| options.allow_on_headers_stop_iteration),
            context: None,
            failed: false,
            request: Side::default(),
            response: Side::default(),
        }
    }

    fn send_request(&mut self, at: StreamRef, body: Body) {
        let trailers = self
            .stream(at)
            .is_some_and(|stream| locked(&stream.flow).request.trailers.is_some());
        let (chunks, complete) = match body {
            Body::Chunks(chunks) => (chunks, true),
            Body::Open => (Vec::new(), false),
        };
        let last = chunks.len();
        self.arrive_headers(at, Direction::Request, complete && last == 0 && !trailers);
        for (index, chunk) in chunks.into_iter().enumerate() {
            self.arrive_body(
                at,
                Direction::Request,
                chunk,
                complete && index + 1 == last && !trailers,
            );
        }
        if complete && trailers {
            self.arrive_trailers(at, Direction::Request);
        }
    }

    /// Headers come in at the chain's end: the request's at its beginning, the response's at its last filter.
    pub(crate) fn arrive_headers(&mut self, at: StreamRef, direction: Direction, end: bool) {
        if let Some(stream) = self.stream_mut(at) {
            stream.arrival(direction).started = true;
            stream.arrival(direction).complete = end;
            let first = stream.first(direction);
            self.pass_headers(at, first, direction, end);
        }
    }

    /// A chunk of body comes in.
    pub(crate) fn arrive_body(&mut self, at: StreamRef, direction: Direction, chunk: Vec<u8>, end: bool) {
        if let Some(stream) = self.stream_mut(at) {
            stream.arrival(direction).complete |= end;
            if direction == Direction::Request {
                locked(&stream.flow).info.request_bytes += chunk.len() as u64;
            }
            let first = stream.first(direction);
            self.pass_body(at, first, direction, chunk, end);
        }
    }

    /// Trailers come in; they stand in the flow already.
    pub(crate) fn arrive_trailers(&mut self, at: StreamRef, direction: Direction) {
        if let Some(stream) = self.stream_mut(at) {
            stream.arrival(direction).complete = true;
            let first = stream.first(direction);
            self.pass_trailers(at, first, direction);
        }
    }

    /// The VMs of a stream's filters must live.
    pub(crate) fn require_vm(&self, at: StreamRef) -> Result<(), HostError> {
        let slots = self.stream(at).into_iter().flat_map(|stream| &stream.filters);
        let mut gone = slots.filter(|slot| self.vm(slot.vm).is_none());
        if self.stream(at).is_some() && gone.next().is_none() {
            return Ok(());
        }
        let shared = self
            .plugin(at.worker.process, 0)
            .map(|spec| spec.name().to_owned());
        Err(HostError::VmGone {
            filter: shared.unwrap_or_default(),
        })
    }

    /// A filter's context for a stream, made when the request's headers reach it. None: the VM is gone.
    pub(super) fn make_context(&mut self, at: StreamRef, filter: usize) -> Option<u32> {
        let (protocol, flow) = match (self.stream(at), self.connection(at)) {
            (Some(stream), _) => (Protocol::Http, Arc::clone(&stream.flow)),
            (None, connection) => (Protocol::Tcp, Arc::clone(&connection?.flow)),
        };
        let slot = self.slot_mut(at, filter)?;
        let (vm, root) = (slot.vm, slot.root);
        let state = self.vm_mut(vm)?;
        let context = state.new_context(Context::Stream(Box::new(StreamContext {
            root,
            stream: at.stream,
            filter,
            protocol,
            flow,
            request: View::default(),
            response: View::default(),
            logging: false,
        })));
        state.state_mut().root_mut(root)?.open_streams += 1;
        if let Some(slot) = self.slot_mut(at, filter) {
            slot.context = Some(context);
        }
        self.call::<_, ()>(vm, Callback::ContextCreate, context, (context, root))
            .ok()?;
        Some(context)
    }

    pub(super) fn slot_mut(&mut self, at: StreamRef, filter: usize) -> Option<&mut FilterSlot> {
        let worker = self.worker_mut(at.worker)?;
        let filters = match worker.streams.get_mut(&at.stream) {
            Some(stream) => &mut stream.filters,
            None => &mut worker.connections.get_mut(&at.stream)?.filters,
        };
        filters.get_mut(filter)
    }
}

impl HttpStream {
    /// The filter that a message reaches first; none when there are no filters.
    fn first(&self, direction: Direction) -> Option<usize> {
        match direction {
            Direction::Request => (!self.filters.is_empty()).then_some(0),
            Direction::Response => self.filters.len().checked_sub(1),
        }
    }

    /// The filter after this one.
    pub(super) fn next(&self, filter: usize, direction: Direction) -> Option<usize> {
        match direction {
            Direction::Request => Some(filter + 1).filter(|next| *next < self.filters.len()),
            Direction::Response => filter.checked_sub(1),
        }
    }
}

impl Opened {
    fn nothing(at: StreamRef) -> Self {
        Self {
            at,
            flow: Arc::default(),
            transcript: Arc::default(),
            context: 0,
        }
    }
}
