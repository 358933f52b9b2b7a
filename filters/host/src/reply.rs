//! Answers that a filter gives in the place of an upstream.

use serde::Serialize;

use crate::error::HostError;
use crate::filter::Action;
use crate::port::{GrpcStatus, Level, StreamHost};

/// Why a request is not served. Holds nothing that the request brought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// A URI that names the kind of problem (RFC 9457 section 3.1.1).
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// The kind of problem, for people.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What was expected, for people.
    pub detail: String,
    /// The status of a gRPC answer.
    #[serde(skip)]
    pub grpc: GrpcStatus,
}

impl Refusal {
    /// The proxy itself failed: 503, UNAVAILABLE.
    pub fn proxy_failure() -> Self {
        Self {
            kind: "https://weir.dev/problems/proxy-failure",
            title: "The proxy could not handle the request",
            status: 503,
            detail: "The request was not sent on; it is safe to try again.".to_owned(),
            grpc: GrpcStatus::Unavailable,
        }
    }

    /// Answers the request: problem+json (RFC 9457), or a gRPC status where the request speaks gRPC.
    ///
    /// Always [`Action::Pause`]: a request that could not even be answered goes nowhere.
    pub fn send(&self, host: &impl StreamHost) -> Action {
        let sent = if is_grpc(host) {
            host.reply_grpc(self.grpc, &self.detail)
        } else {
            self.send_http(host)
        };
        if let Err(error) = sent {
            host.log(
                Level::Error,
                &format!("can't answer a request with {}: {error}", self.status),
            );
        }
        Action::Pause
    }

    fn send_http(&self, host: &impl StreamHost) -> Result<(), HostError> {
        let body = serde_json::to_vec(self).unwrap_or_default();
        host.reply(
            self.status,
            &[("content-type", "application/problem+json")],
            &body,
        )
    }
}

/// Whether the request's content-type is `application/grpc`, `application/grpc+proto`, `application/grpc-web`, ….
fn is_grpc(host: &impl StreamHost) -> bool {
    let content_type = host.get("content-type").ok().flatten().unwrap_or_default();
    let start = content_type.get(..b"application/grpc".len());
    start.is_some_and(|start| start.eq_ignore_ascii_case(b"application/grpc"))
}
