//! What a scripted upstream answers, and when.

use std::collections::VecDeque;
use std::time::Duration;

use crate::grpc_frames::frame;
use crate::header_map::HeaderMap;

/// A part of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Headers(HeaderMap),
    Data(Vec<u8>),
    Trailers(HeaderMap),
    /// The host resets the stream.
    Reset,
    /// The host closes the connection.
    Closed,
    /// The host refuses the connection.
    Refused,
}

/// An answer in parts, each some time after the one before. The last one ends the stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    headers: HeaderMap,
    after: Duration,
    chunks: Vec<(Duration, Vec<u8>)>,
    trailers: Option<HeaderMap>,
    end: End,
}

/// How an answer ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum End {
    #[default]
    Complete,
    Reset,
    Closed,
    Refused,
    Never,
}

impl Answer {
    /// Status 200, no body, at once.
    pub fn ok() -> Self {
        Self::status(200)
    }

    /// This status, no body, at once.
    pub fn status(status: u16) -> Self {
        Self {
            headers: [(":status", status.to_string())].into_iter().collect(),
            ..Self::default()
        }
    }

    /// A gRPC answer that ends with this status, in its trailers.
    pub fn grpc(status: u32) -> Self {
        Self::grpc_so_far().end_with(status)
    }

    /// A gRPC answer that doesn't end yet: see
    /// [`Cluster::answering_each_message`](crate::Cluster::answering_each_message).
    pub fn grpc_so_far() -> Self {
        Self::ok().header("content-type", "application/grpc").then_hang()
    }

    fn end_with(mut self, grpc_status: u32) -> Self {
        self.end = End::Complete;
        self.trailer("grpc-status", grpc_status.to_string())
    }

    /// The host resets the stream before it answers.
    pub fn reset() -> Self {
        Self {
            end: End::Reset,
            ..Self::default()
        }
    }

    /// The host closes the connection before it answers, as with HTTP/1.1.
    pub fn closed() -> Self {
        Self {
            end: End::Closed,
            ..Self::default()
        }
    }

    /// The host refuses the connection.
    pub fn refused() -> Self {
        Self {
            end: End::Refused,
            ..Self::default()
        }
    }

    /// The host never answers.
    pub fn never() -> Self {
        Self {
            end: End::Never,
            ..Self::default()
        }
    }

    /// One more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.add(name, value.as_ref());
        self
    }

    /// The whole body, right after the headers.
    #[must_use]
    pub fn body(self, body: impl Into<Vec<u8>>) -> Self {
        self.chunk(Duration::ZERO, body)
    }

    /// A chunk of the body, this long after the part before it.
    #[must_use]
    pub fn chunk(mut self, after: Duration, bytes: impl Into<Vec<u8>>) -> Self {
        self.chunks.push((after, bytes.into()));
        self
    }

    /// A gRPC message, right after the part before it.
    #[must_use]
    pub fn message(self, message: impl AsRef<[u8]>) -> Self {
        self.message_after(Duration::ZERO, message)
    }

    /// A gRPC message, this long after the part before it.
    #[must_use]
    pub fn message_after(self, after: Duration, message: impl AsRef<[u8]>) -> Self {
        self.chunk(after, frame(message.as_ref()))
    }

    /// A trailer.
    #[must_use]
    pub fn trailer(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.trailers.get_or_insert_default().add(name, value.as_ref());
        self
    }

    /// The first part comes this long after the request.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.after = delay;
        self
    }

    /// The host resets the stream after the parts that were given.
    #[must_use]
    pub fn then_reset(mut self) -> Self {
        self.end = End::Reset;
        self
    }

    /// The host sends nothing more after the parts that were given, and does not end the stream.
    #[must_use]
    pub fn then_hang(mut self) -> Self {
        self.end = End::Never;
        self
    }

    /// The parts in order: how long after the part before, what, and whether it ends the stream.
    pub(crate) fn parts(self) -> VecDeque<(Duration, Part, bool)> {
        let mut parts = VecDeque::new();
        if !self.headers.is_empty() {
            parts.push_back((Duration::ZERO, Part::Headers(self.headers), false));
        }
        for (after, bytes) in self.chunks {
            parts.push_back((after, Part::Data(bytes), false));
        }
        if let Some(trailers) = self.trailers {
            parts.push_back((Duration::ZERO, Part::Trailers(trailers), false));
        }
        match self.end {
            End::Complete => {
                if let Some((_, _, end)) = parts.back_mut() {
                    *end = true;
                }
            }
            End::Reset => parts.push_back((Duration::ZERO, Part::Reset, true)),
            End::Closed => parts.push_back((Duration::ZERO, Part::Closed, true)),
            End::Refused => parts.push_back((Duration::ZERO, Part::Refused, true)),
            End::Never => {}
        }
        if let Some((delay, ..)) = parts.front_mut() {
            *delay += self.after;
        }
        parts
    }

    /// The parts of what is added to an answer whose headers have gone.
    pub(crate) fn further_parts(mut self) -> VecDeque<(Duration, Part, bool)> {
        self.headers = HeaderMap::new();
        self.parts()
    }
}
