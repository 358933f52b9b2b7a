//! Requests, and what a filter made of them.

use std::collections::BTreeMap;

use crate::abi::Action;
use crate::header_map::HeaderMap;

/// A request as it reaches the filter.
#[derive(Clone, Debug)]
pub struct Request {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Body,
    pub(crate) trailers: Option<HeaderMap>,
    pub(crate) http1: bool,
    pub(crate) properties: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Request {
    /// A request without a body, to the authority `service.test`.
    pub fn new(method: &str, path: &str) -> Self {
        let headers = [
            (":method", method),
            (":scheme", "http"),
            (":authority", "service.test"),
            (":path", path),
        ];
        Self {
            headers: headers.into_iter().collect(),
            body: Body::Chunks(Vec::new()),
            trailers: None,
            http1: false,
            properties: BTreeMap::new(),
        }
    }

    /// A request whose pseudo-headers are any bytes, as clients can send them.
    pub fn with_pseudo_headers(method: &[u8], path: &[u8], authority: &[u8]) -> Self {
        let mut request = Self::get("/");
        let pseudo_headers = [(":method", method), (":path", path), (":authority", authority)];
        for (name, value) in pseudo_headers {
            request.headers.set_in_place(name, value);
        }
        request
    }

    /// `GET path`.
    pub fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    /// Adds a header, leaving others of the same name.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.add(name, value.as_ref());
        self
    }

    /// Sets the authority (HTTP/1.1: the Host header).
    #[must_use]
    pub fn authority(mut self, authority: &str) -> Self {
        self.headers.set_in_place(":authority", authority);
        self
    }

    /// A request of HTTP/1.1, not of HTTP/2.
    #[must_use]
    pub fn http1(mut self) -> Self {
        self.http1 = true;
        self
    }

    /// A body will follow: see [`Stream::request_body`](crate::Stream::request_body) and
    /// [`Exchange::send_body`](crate::Exchange::send_body).
    #[must_use]
    pub fn with_body(mut self) -> Self {
        self.body = Body::Open;
        self
    }

    /// The whole body; given several times, in so many chunks.
    #[must_use]
    pub fn body(mut self, chunk: impl Into<Vec<u8>>) -> Self {
        match &mut self.body {
            Body::Chunks(chunks) => chunks.push(chunk.into()),
            Body::Open => self.body = Body::Chunks(vec![chunk.into()]),
        }
        self
    }

    /// A trailer.
    #[must_use]
    pub fn trailer(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.trailers.get_or_insert_default().add(name, value.as_ref());
        self
    }

    /// A property of the stream as filters read it: `["source", "address"]`, and the bytes that Envoy would give.
    #[must_use]
    pub fn property(mut self, path: &[&str], value: impl AsRef<[u8]>) -> Self {
        self.properties
            .insert(path.join("\0").into_bytes(), value.as_ref().to_vec());
        self
    }
}

/// A request's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    /// All of it, in chunks.
    Chunks(Vec<Vec<u8>>),
    /// It comes later.
    Open,
}

/// What a filter made of a request, at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestOutcome {
    /// What stands: `Pause` while the filter holds the request, or after it has answered it.
    pub action: Action,
    /// The headers as the next filter would get them.
    pub headers: HeaderMap,
    /// What the filter answered by itself.
    pub local_response: Option<LocalResponse>,
    /// What the client would get for it: Envoy's headers added, after the filter's own response callbacks.
    pub answer: Option<HeaderMap>,
    /// What the filter set as properties, by path; parts are joined by a zero byte.
    pub filter_state: BTreeMap<Vec<u8>, Vec<u8>>,
}

/// An answer that a filter asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalResponse {
    /// The HTTP status.
    pub status: u32,
    /// The headers that the filter gave.
    pub headers: HeaderMap,
    /// The body; the message of a gRPC error.
    pub body: Vec<u8>,
    /// The gRPC status, when the filter gave one.
    pub grpc_status: Option<u32>,
    /// Envoy's response code details.
    pub details: String,
}

/// What a filter made of a part of a message: a chunk of body, or the response's headers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passed<T> {
    /// `Pause`: the filter holds it back.
    pub action: Action,
    /// What goes on: a body that is held back goes on with a later chunk.
    pub content: T,
}
