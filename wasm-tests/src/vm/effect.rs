//! What a filter asked for during a callback, and the host does after it (Envoy's after-VM-call actions).

use std::time::Duration;

use crate::abi::Direction;
use crate::header_map::HeaderMap;
use crate::request::LocalResponse;
use crate::vm::grpc::GrpcStep;

/// One thing to do, in the order in which the filter asked.
pub(crate) enum Effect {
    Resume { context: u32, direction: Direction },
    Close { context: u32 },
    Reply { context: u32, reply: LocalResponse },
    Call { root: u32, token: u32, call: HttpCall },
    Grpc { root: u32, token: u32, step: GrpcStep },
    Enqueued { queue: u32 },
}

/// An HTTP call that a filter dispatched.
#[derive(Clone, Debug)]
pub(crate) struct HttpCall {
    pub(crate) cluster: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) timeout: Duration,
}

/// What has come back for a call, as the filter can read it during its callback.
#[derive(Default)]
pub(crate) struct CallAnswer {
    pub(crate) headers: Option<HeaderMap>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Option<HeaderMap>,
    /// What `proxy_get_status` tells: a code and a message.
    pub(crate) status: (u32, String),
}
