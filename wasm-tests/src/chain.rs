//! A chain of filters, and the routes after it.

use std::sync::Arc;

use crate::plugin::Plugin;
use crate::route::Route;

/// The HTTP filters of a listener, in order, and its routes.
#[derive(Default)]
pub struct HttpChain {
    pub(crate) filters: Vec<(usize, usize)>,
    routes: Vec<Route>,
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

    pub(crate) fn spec(self) -> ChainSpec {
        ChainSpec {
            plugins: self.filters.into_iter().map(|(_, plugin)| plugin).collect(),
            terminal: Terminal::Router(self.routes.into_iter().map(Arc::new).collect()),
        }
    }
}

/// A chain as the worker runs it.
pub(crate) struct ChainSpec {
    /// By their index in the process.
    pub(crate) plugins: Vec<usize>,
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
            terminal: Terminal::Test,
        }
    }
}
