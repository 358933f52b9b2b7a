//! What could be seen of a request from outside: the client's answer, and what reached the upstreams.

use std::collections::BTreeMap;
use std::time::Duration;

use weir_wasm_tests::HeaderMap;

/// What came of one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// When the request came, since the start of the test.
    pub at: Duration,
    /// The status of the client's answer; none: the client has no answer.
    pub status: Option<u16>,
    /// The headers of the client's answer.
    pub headers: HeaderMap,
    /// The body of the client's answer.
    pub body: Vec<u8>,
    /// Whether the proxy gave the answer itself.
    pub local_reply: bool,
    /// What reached upstreams, in the order of time.
    pub upstream: Vec<UpstreamCall>,
    /// What filters set as properties, by path; parts are joined by a zero byte.
    pub filter_state: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// One request as an upstream saw it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpstreamCall {
    /// The cluster that was chosen, as Envoy knows it.
    pub cluster: String,
    /// The shard that the cluster belongs to.
    pub shard: Option<String>,
    /// The headers, pseudo-headers included.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
    /// When it was sent, since the start of the test.
    pub at: Duration,
    /// When it was answered, had failed or was given up, since the start of the test; none: not yet.
    pub ended: Option<Duration>,
}

impl Observed {
    /// The shard that the last request to an upstream went to.
    pub fn shard(&self) -> Option<&str> {
        self.upstream.last()?.shard.as_deref()
    }

    /// The cluster that the last request to an upstream went to.
    pub fn cluster(&self) -> Option<&str> {
        Some(self.upstream.last()?.cluster.as_str())
    }

    /// Whether the answer came from a cache. Where the answer has a `Cache-Status` header (RFC 9211), its last member
    /// decides, that of the cache nearest to the client: it has the parameter `hit` or not. Without the header: nothing
    /// reached an upstream, and the status is below 400.
    pub fn is_cached(&self) -> bool {
        match text(&self.headers, "cache-status") {
            Some(caches) => is_hit(&caches),
            None => self.upstream.is_empty() && self.status.is_some_and(|status| status < 400),
        }
    }

    /// Whether the proxy itself refused the request for its rate: a local reply of status 429, or of gRPC status 8
    /// (RESOURCE_EXHAUSTED).
    pub fn is_limited(&self) -> bool {
        let exhausted = text(&self.headers, "grpc-status").as_deref() == Some("8");
        self.local_reply && (self.status == Some(429) || exhausted)
    }

    /// Whether a second try was sent while the first still had no answer. A retry, sent after the first has failed or
    /// was given up, is none.
    pub fn is_hedged(&self) -> bool {
        let Some((first, others)) = self.upstream.split_first() else {
            return false;
        };
        others
            .iter()
            .any(|try_| first.ended.is_none_or(|ended| try_.at < ended))
    }

    /// The time between the first and the second request to an upstream.
    pub fn hedge_delay(&self) -> Option<Duration> {
        match self.upstream.as_slice() {
            [first, second, ..] => Some(second.at.saturating_sub(first.at)),
            _ => None,
        }
    }

    /// `200 from weir/default/orders/a/read`, `400 of the proxy`.
    pub(crate) fn summary(&self) -> String {
        let status = self
            .status
            .map_or("no answer".to_owned(), |status| status.to_string());
        let source = match self.cluster() {
            _ if self.local_reply => " of the proxy".to_owned(),
            Some(cluster) => format!(" from {cluster}"),
            None => String::new(),
        };
        format!("{status}{source}")
    }
}

/// All values of a header, joined as HTTP joins them (RFC 9110 section 5.3).
pub(crate) fn text(headers: &HeaderMap, name: &str) -> Option<String> {
    let values: Vec<_> = headers.values(name).map(String::from_utf8_lossy).collect();
    (!values.is_empty()).then(|| values.join(", "))
}

/// Whether the last member of a `Cache-Status` list has the parameter `hit`.
fn is_hit(caches: &str) -> bool {
    let last = split(caches, ',').pop().unwrap_or_default();
    let parameters = split(last, ';').into_iter().skip(1);
    parameters
        .map(str::trim)
        .any(|parameter| matches!(parameter, "hit" | "hit=?1"))
}

/// The parts between separators that don't stand in a quoted string (RFC 9651).
fn split(list: &str, separator: char) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    list.split(|next: char| {
        let ends = next == separator && !quoted;
        quoted ^= next == '"' && !escaped;
        escaped = next == '\\' && !escaped;
        ends
    })
    .collect()
}
