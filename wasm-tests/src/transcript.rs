//! What became of one stream, as its client and its upstreams see it.

use std::sync::{Arc, Mutex};

use crate::cluster::UpstreamRequest;
use crate::header_map::HeaderMap;
use crate::request::LocalResponse;

/// What the client has received.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// The headers, `:status` included.
    pub headers: HeaderMap,
    /// The body so far.
    pub body: Vec<u8>,
    /// The trailers, if there were any.
    pub trailers: Option<HeaderMap>,
}

#[derive(Default)]
pub(crate) struct Transcript {
    pub(crate) response: Option<Response>,
    /// The client has the whole response.
    pub(crate) complete: bool,
    /// The client's stream was reset.
    pub(crate) reset: bool,
    pub(crate) ended: bool,
    pub(crate) upstream: Vec<UpstreamRequest>,
    pub(crate) local_response: Option<LocalResponse>,
    /// How many chunks of body have come out of the chain, in either direction.
    pub(crate) chunks: u64,
    /// What has come out of the chain, for a test that plays the upstream.
    pub(crate) passed: Passing,
}

/// The request behind the last filter.
#[derive(Default)]
pub(crate) struct Passing {
    pub(crate) headers: bool,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: bool,
}

pub(crate) type SharedTranscript = Arc<Mutex<Transcript>>;
