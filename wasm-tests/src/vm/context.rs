//! What the host knows of a context in a VM.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::header_map::HeaderMap;
use crate::request::{LocalResponse, Request};

/// A context: one configuration, or one stream.
pub(crate) enum Context {
    Root(Root),
    Stream(Box<StreamContext>),
}

/// A root context: one plugin configuration in one VM.
pub(crate) struct Root {
    pub(crate) configuration: Arc<[u8]>,
    pub(crate) open_streams: usize,
    /// A newer configuration gets the new streams.
    pub(crate) superseded: bool,
    pub(crate) ending: Ending,
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

/// A stream: two messages, and what the filter did with them.
pub(crate) struct StreamContext {
    pub(crate) root: u32,
    pub(crate) request: Message,
    pub(crate) response: Message,
    /// In `proxy_on_log` both messages' headers can be read again.
    pub(crate) logging: bool,
    pub(crate) local_response: Option<LocalResponse>,
    pub(crate) answer: Option<HeaderMap>,
    pub(crate) properties: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) filter_state: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// One direction of a stream.
#[derive(Default)]
pub(crate) struct Message {
    pub(crate) headers: HeaderMap,
    /// Envoy shows a map only during its own callback, and after it while the filter holds the stream there.
    pub(crate) visible: bool,
    /// What the filter sees as the body: the chunks that it has held back, and the present one.
    pub(crate) body: Vec<u8>,
    pub(crate) paused: bool,
    /// The filter has continued the stream during the present callback.
    pub(crate) continued: bool,
}

impl Root {
    pub(crate) fn new(configuration: Arc<[u8]>) -> Self {
        Self {
            configuration,
            open_streams: 0,
            superseded: false,
            ending: Ending::None,
        }
    }
}

impl StreamContext {
    pub(crate) fn new(root: u32, request: Request) -> Self {
        Self {
            root,
            request: Message {
                headers: request.headers,
                ..Message::default()
            },
            response: Message::default(),
            logging: false,
            local_response: None,
            answer: None,
            properties: request.properties,
            filter_state: BTreeMap::new(),
        }
    }

    /// A local response that has not been sent on its way yet.
    pub(crate) fn unanswered(&self) -> Option<&LocalResponse> {
        self.local_response.as_ref().filter(|_| self.answer.is_none())
    }
}
