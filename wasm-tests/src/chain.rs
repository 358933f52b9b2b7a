//! A chain of filters, and the routes after it.

use std::sync::Arc;

use crate::plugin::Plugin;
use crate::route::Route;

/// The HTTP filters of a listener, in order, and its routes.
pub struct HttpChain {
    pub(crate) filters: Vec<(usize, usize)>,
    routes: Vec<Route>,
    buffer_limit: usize,
    virtual_host: String,
}

/// Envoy's `per_connection_buffer_limit_bytes` unless it is set.
const BUFFER_LIMIT: usize = 1 << 20;

impl Default for HttpChain {
    fn default() -> Self {
        Self {
            filters: Vec::new(),
            routes: Vec::new(),
            buffer_limit: BUFFER_LIMIT,
            virtual_host: String::new(),
        }
    }
}

impl HttpChain {
    /// No filters and no routes.
    pub fn new() -> Self {
        Self::default()
    }

    /// One more filter, after those before it.
    #[must_use]
    pub fn filter(mut self, plugin: &Plugin) -> Self {
        self.filters.push((plugin.process, plugin.index));
        self
    }

    /// One more route, tried after those before it.
    #[must_use]
    pub fn route(mut self, route: Route) -> Self {
        self.routes.push(route);
        self
    }

    /// The name of the virtual host that the routes stand in, which filters read as `xds.virtual_host_name`.
    #[must_use]
    pub fn virtual_host(mut self, name: &str) -> Self {
        name.clone_into(&mut self.virtual_host);
        self
    }

    /// How many bytes of a body a filter can hold back; 1 MiB unless told. A longer request is answered 413.
    #[must_use]
    pub fn buffer_limit(mut self, bytes: usize) -> Self {
        self.buffer_limit = bytes;
        self
    }

    pub(crate) fn spec(self) -> ChainSpec {
        ChainSpec {
            plugins: self.filters.into_iter().map(|(_, plugin)| plugin).collect(),
            buffer_limit: self.buffer_limit,
            virtual_host: self.virtual_host,
            terminal: Terminal::Router(self.routes.into_iter().map(Arc::new).collect()),
        }
    }
}

/// A chain as the worker runs it.
pub(crate) struct ChainSpec {
    /// By their index in the process.
    pub(crate) plugins: Vec<usize>,
    pub(crate) buffer_limit: usize,
    pub(crate) virtual_host: String,
    pub(crate) terminal: Terminal,
}

/// What stands behind the last filter.
pub(crate) enum Terminal {
    /// The test plays the upstream.
    Test,
    Router(Vec<Arc<Route>>),
}

impl ChainSpec {
    pub(crate) fn of_test(plugin: usize) -> Self {
        Self {
            plugins: vec![plugin],
            buffer_limit: BUFFER_LIMIT,
            virtual_host: String::new(),
            terminal: Terminal::Test,
        }
    }
}
