//! What the host functions of one VM work on.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use wasmtime::{Memory, StoreLimits, StoreLimitsBuilder, TypedFunc};

use crate::abi::{Direction, HOST_FUNCTIONS, LogLevel, MapType, Status};
use crate::header_map::HeaderMap;
use crate::plugin::PluginSpec;
use crate::process::metrics::MetricKey;
use crate::process::shared::{LogLine, Shared, locked};
use crate::vm::context::{Context, Root, StreamContext};
use crate::vm::effect::{CallAnswer, Effect};
use crate::vm::grpc::GrpcEvent;

pub(crate) struct HostState {
    /// The plugin that the VM was made for; others with the same VM configuration share it.
    pub(crate) spec: Arc<PluginSpec>,
    pub(crate) worker: Option<usize>,
    /// The VM's number in its process.
    pub(crate) number: u64,
    pub(crate) memory: Option<Memory>,
    pub(crate) malloc: Option<TypedFunc<u32, u32>>,
    pub(crate) limits: StoreLimits,
    /// The context whose callback is running.
    pub(crate) calling: u32,
    /// The context that `proxy_set_effective_context` chose during this callback; 0: none.
    pub(crate) effective: u32,
    pub(crate) contexts: BTreeMap<u32, Context>,
    /// The metrics that this VM has defined; a metric's id is its place and its kind.
    pub(crate) metrics: Vec<MetricKey>,
    /// The plugin configuration, during `proxy_on_configure` only.
    pub(crate) configuring: Option<Arc<[u8]>>,
    /// What came back, during the callback of a call.
    pub(crate) answer: Option<CallAnswer>,
    /// What came back on a gRPC call or stream, during its callback.
    pub(crate) grpc: Option<GrpcEvent>,
    /// How many tokens of each kind there have been.
    tokens: BTreeMap<u32, u32>,
    pub(crate) effects: VecDeque<Effect>,
    /// The filter has answered or closed a stream during this callback: whatever it returns, it stops (Envoy's
    /// `stopNextIteration`).
    pub(crate) stop_iteration: bool,
    /// How often each of [`HOST_FUNCTIONS`] was called in the present callback.
    pub(crate) host_calls: [u64; HOST_FUNCTIONS.len()],
}

impl HostState {
    pub(crate) fn new(spec: Arc<PluginSpec>, worker: Option<usize>) -> Self {
        let limits = StoreLimitsBuilder::new().memory_size(spec.options.memory_limit);
        Self {
            number: spec.shared.next_vm(),
            limits: limits.build(),
            spec,
            worker,
            memory: None,
            malloc: None,
            calling: 0,
            effective: 0,
            contexts: BTreeMap::new(),
            metrics: Vec::new(),
            configuring: None,
            answer: None,
            grpc: None,
            tokens: BTreeMap::new(),
            effects: VecDeque::new(),
            stop_iteration: false,
            host_calls: [0; HOST_FUNCTIONS.len()],
        }
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.spec.shared
    }

    /// The context that host functions act on.
    pub(crate) fn current(&self) -> u32 {
        if self.contexts.contains_key(&self.effective) {
            self.effective
        } else {
            self.calling
        }
    }

    pub(crate) fn root(&self, id: u32) -> Option<&Root> {
        match self.contexts.get(&id) {
            Some(Context::Root(root)) => Some(root),
            _ => None,
        }
    }

    pub(crate) fn root_mut(&mut self, id: u32) -> Option<&mut Root> {
        match self.contexts.get_mut(&id) {
            Some(Context::Root(root)) => Some(root),
            _ => None,
        }
    }

    pub(crate) fn roots(&self) -> impl DoubleEndedIterator<Item = (u32, &Root)> {
        self.contexts.iter().filter_map(|(id, context)| match context {
            Context::Root(root) => Some((*id, root)),
            Context::Stream(_) => None,
        })
    }

    pub(crate) fn stream(&self, id: u32) -> Option<&StreamContext> {
        match self.contexts.get(&id) {
            Some(Context::Stream(stream)) => Some(stream),
            _ => None,
        }
    }

    pub(crate) fn stream_mut(&mut self, id: u32) -> Option<&mut StreamContext> {
        match self.contexts.get_mut(&id) {
            Some(Context::Stream(stream)) => Some(stream),
            _ => None,
        }
    }

    pub(crate) fn current_stream(&self) -> Option<&StreamContext> {
        self.stream(self.current())
    }

    pub(crate) fn current_stream_mut(&mut self) -> Option<&mut StreamContext> {
        self.stream_mut(self.current())
    }

    /// The root context of the current context.
    pub(crate) fn current_root(&self) -> Option<u32> {
        match self.contexts.get(&self.current())? {
            Context::Root(_) => Some(self.current()),
            Context::Stream(stream) => Some(stream.root),
        }
    }

    /// The plugin of the current context; the VM's first one when there is no context.
    pub(crate) fn current_plugin(&self) -> &PluginSpec {
        let root = self.current_root().and_then(|root| self.root(root));
        root.map_or(&self.spec, |root| &root.plugin)
    }

    /// Reads a map; none where Envoy has none to show.
    pub(crate) fn with_map<T>(&self, map: MapType, read: impl FnOnce(&HeaderMap) -> T) -> Option<T> {
        let answer = self.answer.as_ref();
        match map {
            MapType::Headers(direction) => {
                let stream = self.current_stream()?;
                let shown = stream.view(direction).headers || stream.logging;
                shown.then(|| read(&locked(&stream.flow).message(direction).headers))
            }
            MapType::Trailers(direction) => {
                let stream = self.current_stream()?;
                let logged = stream.logging && direction == Direction::Response;
                let shown = stream.view(direction).trailers || logged;
                let flow = locked(&stream.flow);
                flow.message(direction)
                    .trailers
                    .as_ref()
                    .filter(|_| shown)
                    .map(read)
            }
            MapType::CallHeaders => answer?.headers.as_ref().map(read),
            MapType::CallTrailers => answer?.trailers.as_ref().map(read),
            MapType::GrpcInitialMetadata => self.grpc.as_ref()?.initial_metadata().map(read),
            MapType::GrpcTrailingMetadata => self.grpc.as_ref()?.trailing_metadata().map(read),
        }
    }

    /// Changes a map of the stream; the maps of calls can only be read.
    pub(crate) fn change_map<T>(
        &mut self,
        map: MapType,
        change: impl FnOnce(&mut HeaderMap) -> T,
    ) -> Result<T, Status> {
        let stream = self.current_stream_mut().ok_or(Status::BadArgument)?;
        match map {
            MapType::Headers(direction) if stream.view(direction).headers => {
                Ok(change(&mut locked(&stream.flow).message_mut(direction).headers))
            }
            MapType::Trailers(direction) if can_have_trailers(stream, direction) => {
                stream.view_mut(direction).trailers = true;
                let mut flow = locked(&stream.flow);
                Ok(change(
                    flow.message_mut(direction).trailers.get_or_insert_default(),
                ))
            }
            _ => Err(Status::BadArgument),
        }
    }

    /// The message of the status, for the root context whose callback is about it.
    pub(crate) fn status_message(&self) -> &str {
        if self.root(self.current()).is_none() {
            return "";
        }
        let of_call = self.answer.as_ref().map(|answer| answer.status.1.as_str());
        let of_grpc = self.grpc.as_ref().map(GrpcEvent::status_message);
        of_call.or(of_grpc).unwrap_or_default()
    }

    pub(crate) fn log(&self, level: LogLevel, text: &[u8]) {
        locked(&self.spec.shared.logs).push(LogLine {
            filter: self.current_plugin().name().to_owned(),
            worker: self.worker,
            level,
            text: String::from_utf8_lossy(text).into_owned(),
        });
    }

    pub(crate) fn vm_id(&self) -> &str {
        &self.spec.options.vm_id
    }

    /// A number for a call, unique in the VM. Each kind is counted by itself; the two low bits are the kind.
    pub(crate) fn next_token(&mut self, kind: u32) -> u32 {
        let count = self.tokens.entry(kind).or_default();
        *count += 1;
        (*count << 2) | kind
    }
}

/// In its own callback; and in the last body callback, where a filter may add trailers to a message that has none.
fn can_have_trailers(stream: &StreamContext, direction: Direction) -> bool {
    let view = stream.view(direction);
    view.trailers || (view.end_of_stream && view.body.is_some())
}
