//! gRPC calls and streams, as a VM knows them.

use std::time::Duration;

use crate::header_map::HeaderMap;

/// gRPC's status codes, those that a proxy answers itself.
pub(crate) mod code {
    pub(crate) const UNKNOWN: u32 = 2;
    pub(crate) const PERMISSION_DENIED: u32 = 7;
    pub(crate) const UNIMPLEMENTED: u32 = 12;
    pub(crate) const INTERNAL: u32 = 13;
    pub(crate) const UNAVAILABLE: u32 = 14;
    pub(crate) const UNAUTHENTICATED: u32 = 16;
    /// What Envoy takes a status for that is none of gRPC's.
    pub(crate) const INVALID: u32 = u32::MAX;
}

/// How far a call or a stream has come. One that both sides have closed is forgotten.
#[derive(Clone, Copy, Default)]
pub(crate) struct GrpcState {
    /// The filter has said `proxy_grpc_close`.
    pub(crate) closed_here: bool,
    /// The filter has been told how it ended.
    pub(crate) closed_there: bool,
}

/// What a filter wants done with a call or a stream.
pub(crate) enum GrpcStep {
    Start(GrpcStart),
    Send {
        bytes: Vec<u8>,
        end: bool,
    },
    Reset,
    /// It could not be started: the filter is told, although it has no token for it.
    Fail(&'static str),
}

pub(crate) struct GrpcStart {
    pub(crate) cluster: String,
    pub(crate) headers: HeaderMap,
    /// The one message of a unary call; none: a stream.
    pub(crate) message: Option<Vec<u8>>,
    /// Zero: none.
    pub(crate) timeout: Duration,
}

/// What has come back, as the filter can read it during its callback.
pub(crate) enum GrpcEvent {
    InitialMetadata(HeaderMap),
    Message(Vec<u8>),
    TrailingMetadata(HeaderMap),
    /// The message of the status.
    Closed(String),
}

impl GrpcEvent {
    pub(crate) fn initial_metadata(&self) -> Option<&HeaderMap> {
        match self {
            Self::InitialMetadata(metadata) => Some(metadata),
            _ => None,
        }
    }

    pub(crate) fn trailing_metadata(&self) -> Option<&HeaderMap> {
        match self {
            Self::TrailingMetadata(metadata) => Some(metadata),
            _ => None,
        }
    }

    pub(crate) fn message(&self) -> &[u8] {
        match self {
            Self::Message(message) => message,
            _ => &[],
        }
    }

    pub(crate) fn status_message(&self) -> &str {
        match self {
            Self::Closed(message) => message,
            _ => "",
        }
    }
}
