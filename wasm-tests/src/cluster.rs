//! Scripted upstreams.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::answer::Answer;
use crate::grpc_frames::Frames;
use crate::header_map::HeaderMap;

/// A request as an upstream host got it: one try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamRequest {
    /// Its place among all requests that the fleet's proxies have sent.
    pub number: u64,
    /// The cluster.
    pub cluster: String,
    /// The host in it.
    pub host: String,
    /// The headers, pseudo-headers included.
    pub headers: HeaderMap,
    /// The body so far.
    pub body: Vec<u8>,
    /// The trailers, if there were any.
    pub trailers: Option<HeaderMap>,
    /// When its headers arrived, since the Unix epoch on the steady clock.
    pub at: Duration,
    /// When its answer was there as a whole, the host failed, or the proxy gave it up; none: not yet. Like `at`.
    pub ended: Option<Duration>,
    /// Which try of its request it is, from 1.
    pub attempt: u64,
    /// Whether the whole request has arrived.
    pub complete: bool,
    /// The proxy has given it up: another try was quicker, a timeout fell due, or the client went away.
    pub reset: bool,
}

impl UpstreamRequest {
    /// The gRPC messages of the body so far, those that are complete.
    pub fn messages(&self) -> Vec<Vec<u8>> {
        Frames::default().push(&self.body).0
    }
}

type Handler = Arc<dyn Fn(&UpstreamRequest) -> Answer + Send + Sync>;

/// One host of a cluster.
#[derive(Clone)]
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) handler: Handler,
}

/// An upstream cluster whose hosts answer by script. Hosts take turns.
///
/// ```
/// use std::time::Duration;
/// use weir_wasm_tests::{Answer, Cluster};
/// let orders = Cluster::new(|request| Answer::ok().body(request.headers.text(":path").unwrap_or_default()))
///     .host("slow", |_| Answer::ok().after(Duration::from_millis(300)));
/// ```
#[derive(Clone)]
pub struct Cluster {
    pub(crate) hosts: Vec<Host>,
    pub(crate) answers: Answering,
}

/// When a host is asked for its answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Answering {
    #[default]
    WhenComplete,
    AtHeaders,
    EachMessage,
}

impl Cluster {
    /// A cluster without hosts: every request is answered 503.
    pub fn empty() -> Self {
        Self {
            hosts: Vec::new(),
            answers: Answering::WhenComplete,
        }
    }

    /// A cluster with one host, named `host-1`, that answers by this function.
    pub fn new(handler: impl Fn(&UpstreamRequest) -> Answer + Send + Sync + 'static) -> Self {
        Self::empty().host("host-1", handler)
    }

    /// A cluster with one host that always answers the same.
    pub fn answering(answer: Answer) -> Self {
        Self::new(move |_| answer.clone())
    }

    /// One more host.
    #[must_use]
    pub fn host(
        mut self,
        name: &str,
        handler: impl Fn(&UpstreamRequest) -> Answer + Send + Sync + 'static,
    ) -> Self {
        self.hosts.push(Host {
            name: name.to_owned(),
            handler: Arc::new(handler),
        });
        self
    }

    /// The hosts answer as soon as they have a request's headers, not when they have all of it.
    #[must_use]
    pub fn answering_at_headers(mut self) -> Self {
        self.answers = Answering::AtHeaders;
        self
    }

    /// The hosts answer a gRPC stream bit by bit: each is asked whenever messages have come, and when the request is
    /// complete. What it says is added to what it has said before; headers count the first time only. An answer from
    /// [`Answer::grpc_so_far`] leaves the stream open, any other ends it.
    ///
    /// ```
    /// use weir_wasm_tests::{Answer, Cluster};
    /// let echo = Cluster::new(|request| {
    ///     if request.complete {
    ///         return Answer::grpc(0);
    ///     }
    ///     let last = request.messages().pop().unwrap_or_default();
    ///     Answer::grpc_so_far().message(last)
    /// })
    /// .answering_each_message();
    /// ```
    #[must_use]
    pub fn answering_each_message(mut self) -> Self {
        self.answers = Answering::EachMessage;
        self
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts: Vec<&str> = self.hosts.iter().map(|host| host.name.as_str()).collect();
        f.debug_struct("Cluster")
            .field("hosts", &hosts)
            .finish_non_exhaustive()
    }
}
