//! Where a request goes that has passed its filters.

use std::sync::Arc;
use std::time::Duration;

use crate::header_map::HeaderMap;

/// A route: which requests, to which cluster, with which time limits.
///
/// Retries and hedging are asked for by Envoy's request headers (`x-envoy-retry-on`, `x-envoy-max-retries`,
/// `x-envoy-upstream-rq-per-try-timeout-ms`, `x-envoy-hedge-on-per-try-timeout`), as filters do it.
#[derive(Clone)]
pub struct Route {
    pub(crate) name: String,
    matcher: Matcher,
    pub(crate) to: Destination,
    pub(crate) timeout: Duration,
    pub(crate) retry_backoff: Duration,
}

#[derive(Clone)]
enum Matcher {
    Prefix(String),
    By(Arc<dyn Fn(&HeaderMap) -> bool + Send + Sync>),
}

/// Where a route leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    Cluster(String),
    /// The cluster that this request header names.
    Header(String),
}

impl Route {
    /// Requests whose path begins with `prefix`, up to [`Route::cluster`] to nowhere.
    pub fn prefix(prefix: &str) -> Self {
        Self::with(Matcher::Prefix(prefix.to_owned()))
    }

    /// Requests with headers that fit.
    pub fn matching(fits: impl Fn(&HeaderMap) -> bool + Send + Sync + 'static) -> Self {
        Self::with(Matcher::By(Arc::new(fits)))
    }

    fn with(matcher: Matcher) -> Self {
        Self {
            name: String::new(),
            matcher,
            to: Destination::Cluster(String::new()),
            timeout: Duration::from_secs(15),
            retry_backoff: Duration::from_millis(25),
        }
    }

    /// To this cluster.
    #[must_use]
    pub fn cluster(mut self, name: &str) -> Self {
        self.to = Destination::Cluster(name.to_owned());
        self
    }

    /// To the cluster that this request header names (Envoy's `cluster_header`).
    #[must_use]
    pub fn cluster_header(mut self, header: &str) -> Self {
        self.to = Destination::Header(header.to_owned());
        self
    }

    /// The route's name, which filters read as `xds.route_name`.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// How long an answer may take from the end of the request on; 15 s unless told.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The base of the back-off before a retry or a hedge (`retry_back_off.base_interval`); 25 ms unless told.
    #[must_use]
    pub fn retry_backoff(mut self, base: Duration) -> Self {
        self.retry_backoff = base;
        self
    }

    pub(crate) fn matches(&self, headers: &HeaderMap) -> bool {
        match &self.matcher {
            Matcher::Prefix(prefix) => {
                let path = headers.get(":path").unwrap_or_default();
                path.starts_with(prefix.as_bytes())
            }
            Matcher::By(fits) => fits(headers),
        }
    }
}
