//! What the host functions of one VM work on.

use std::collections::BTreeMap;
use std::sync::Arc;

use wasmtime::{Memory, TypedFunc};

use crate::abi::{LogLevel, MapType, Status};
use crate::header_map::HeaderMap;
use crate::plugin::PluginSpec;
use crate::process::metrics::MetricKey;
use crate::process::shared::{LogLine, locked};
use crate::vm::context::{Context, Message, Root, StreamContext};

/// A root context's timer, in nanoseconds.
#[derive(Clone, Copy)]
pub(crate) struct Timer {
    pub(crate) period: u64,
    pub(crate) due: u64,
}

pub(crate) struct HostState {
    pub(crate) spec: Arc<PluginSpec>,
    pub(crate) worker: Option<usize>,
    pub(crate) memory: Option<Memory>,
    pub(crate) malloc: Option<TypedFunc<u32, u32>>,
    /// The context whose callback is running.
    pub(crate) calling: u32,
    /// The context that `proxy_set_effective_context` chose during this callback; 0: none.
    pub(crate) effective: u32,
    pub(crate) contexts: BTreeMap<u32, Context>,
    /// By root context.
    pub(crate) timers: BTreeMap<u32, Timer>,
    /// The metrics that this VM has defined; a metric's id is its place and its kind.
    pub(crate) metrics: Vec<MetricKey>,
    /// The plugin configuration, during `proxy_on_configure` only.
    pub(crate) configuring: Option<Arc<[u8]>>,
}

impl HostState {
    pub(crate) fn new(spec: Arc<PluginSpec>, worker: Option<usize>) -> Self {
        Self {
            spec,
            worker,
            memory: None,
            malloc: None,
            calling: 0,
            effective: 0,
            contexts: BTreeMap::new(),
            timers: BTreeMap::new(),
            metrics: Vec::new(),
            configuring: None,
        }
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

    /// A map for reading; none where Envoy has none to show.
    pub(crate) fn map(&self, map: MapType) -> Option<&HeaderMap> {
        let stream = self.current_stream()?;
        let message = match map {
            MapType::RequestHeaders => &stream.request,
            MapType::ResponseHeaders => &stream.response,
            _ => return None,
        };
        (message.visible || stream.logging).then_some(&message.headers)
    }

    /// A map for writing.
    pub(crate) fn map_mut(&mut self, map: MapType) -> Result<&mut HeaderMap, Status> {
        let stream = self.current_stream_mut().ok_or(Status::BadArgument)?;
        let message: &mut Message = match map {
            MapType::RequestHeaders => &mut stream.request,
            MapType::ResponseHeaders => &mut stream.response,
            _ => return Err(Status::BadArgument),
        };
        if message.visible {
            Ok(&mut message.headers)
        } else {
            Err(Status::BadArgument)
        }
    }

    pub(crate) fn log(&self, level: LogLevel, text: &[u8]) {
        locked(&self.spec.shared.logs).push(LogLine {
            filter: self.spec.filter(),
            worker: self.worker,
            level,
            text: String::from_utf8_lossy(text).into_owned(),
        });
    }

    pub(crate) fn vm_id(&self) -> &str {
        &self.spec.options.vm_id
    }
}
