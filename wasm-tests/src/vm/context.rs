//! What the host knows of a context in a VM.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::abi::{Direction, Protocol, StreamType};
use crate::flow::SharedFlow;
use crate::plugin::PluginSpec;
use crate::vm::grpc::GrpcState;

/// A context: one configuration, or one stream.
pub(crate) enum Context {
    Root(Root),
    Stream(Box<StreamContext>),
}

/// A root context's timer, in nanoseconds.
#[derive(Clone, Copy)]
pub(crate) struct Timer {
    pub(crate) period: u64,
    pub(crate) due: u64,
}

/// A root context: one plugin configuration in one VM.
pub(crate) struct Root {
    pub(crate) plugin: Arc<PluginSpec>,
    pub(crate) configuration: Arc<[u8]>,
    pub(crate) open_streams: usize,
    /// A newer configuration gets the new streams.
    pub(crate) superseded: bool,
    pub(crate) ending: Ending,
    pub(crate) timer: Option<Timer>,
    /// The tokens of calls that have not been answered.
    pub(crate) calls: BTreeSet<u32>,
    /// gRPC calls and streams, by token.
    pub(crate) grpc: BTreeMap<u32, GrpcState>,
    /// What `proxy_get_status` tells: the code of the last failed call, or of the last gRPC call that was closed.
    pub(crate) status: u32,
}

/// How far the end of a root context has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It lives.
    None,
    /// `proxy_on_done` answered false: it waits for `proxy_done`.
    Pending,
    /// The filter has called `proxy_done`.
    Done,
}

/// One filter's part of a stream.
pub(crate) struct StreamContext {
    pub(crate) root: u32,
    /// The stream, as its worker numbers it.
    pub(crate) stream: u64,
    /// The filter's place in the chain.
    pub(crate) filter: usize,
    pub(crate) protocol: Protocol,
    pub(crate) flow: SharedFlow,
    pub(crate) request: View,
    pub(crate) response: View,
    /// In `proxy_on_log` both messages can be read again.
    pub(crate) logging: bool,
}

/// What a filter sees of one direction at the moment.
#[derive(Default)]
pub(crate) struct View {
    /// Envoy shows a map only during its own callback, and after it while the filter holds the stream there.
    pub(crate) headers: bool,
    pub(crate) trailers: bool,
    /// The body: the chunk of the present callback, or what the filter holds back.
    pub(crate) body: Option<Vec<u8>>,
    /// The present body callback is the last.
    pub(crate) end_of_stream: bool,
}

impl Root {
    pub(crate) fn new(plugin: Arc<PluginSpec>, configuration: Arc<[u8]>) -> Self {
        Self {
            plugin,
            configuration,
            open_streams: 0,
            superseded: false,
            ending: Ending::None,
            timer: None,
            calls: BTreeSet::new(),
            grpc: BTreeMap::new(),
            status: 0,
        }
    }
}

impl StreamContext {
    /// What the filter can read of a body, or of a connection's data.
    pub(crate) fn buffer(&self, of: StreamType) -> Option<&[u8]> {
        let view = self.view(of.direction);
        view.body.as_deref().filter(|_| self.protocol == of.protocol)
    }

    pub(crate) fn buffer_mut(&mut self, of: StreamType) -> Option<&mut Vec<u8>> {
        let fits = self.protocol == of.protocol;
        self.view_mut(of.direction).body.as_mut().filter(|_| fits)
    }

    pub(crate) fn view(&self, direction: Direction) -> &View {
        match direction {
            Direction::Request => &self.request,
            Direction::Response => &self.response,
        }
    }

    pub(crate) fn view_mut(&mut self, direction: Direction) -> &mut View {
        match direction {
            Direction::Request => &mut self.request,
            Direction::Response => &mut self.response,
        }
    }
}
