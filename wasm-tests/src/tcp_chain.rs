//! A chain of network filters, and the TCP proxy after it.

use crate::plugin::Plugin;

/// The network filters of a TCP listener, in order, then Envoy's `tcp_proxy` with its cluster.
#[derive(Default)]
pub struct TcpChain {
    pub(crate) filters: Vec<(usize, usize)>,
    cluster: String,
    connects_on_data: bool,
}

impl TcpChain {
    /// No filters, and no cluster that is known.
    pub fn new() -> Self {
        Self::default()
    }

    /// One more filter, after those before it.
    #[must_use]
    pub fn filter(mut self, plugin: &Plugin) -> Self {
        self.filters.push((plugin.process, plugin.index));
        self
    }

    /// The cluster, unless a filter chooses another: by the foreign function `set_envoy_filter_state`, as
    /// `envoy.tcp_proxy.cluster`.
    #[must_use]
    pub fn cluster(mut self, name: &str) -> Self {
        name.clone_into(&mut self.cluster);
        self
    }

    /// The proxy connects to its upstream when the first bytes reach it (`upstream_connect_mode:
    /// ON_DOWNSTREAM_DATA`). Else it connects at once, and *nothing is read from the client before it has*: a filter that
    /// pauses in `proxy_on_new_connection` then sees no data until it continues.
    #[must_use]
    pub fn connect_on_data(mut self) -> Self {
        self.connects_on_data = true;
        self
    }

    pub(crate) fn spec(self) -> TcpChainSpec {
        TcpChainSpec {
            plugins: self.filters.into_iter().map(|(_, plugin)| plugin).collect(),
            cluster: self.cluster,
            connects_on_data: self.connects_on_data,
        }
    }
}

/// A chain as the worker runs it.
pub(crate) struct TcpChainSpec {
    /// By their index in the process.
    pub(crate) plugins: Vec<usize>,
    pub(crate) cluster: String,
    pub(crate) connects_on_data: bool,
}
