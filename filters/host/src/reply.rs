//! Answers that a filter gives in the place of an upstream.

use serde::Serialize;
use weir_route_match::RequestView;

use crate::error::HostError;
use crate::filter::Action;
use crate::pairs;
use crate::port::{GrpcStatus, Level, StreamHost};
use crate::request::Request;

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

    /// Answers the request: problem+json (RFC 9457), or a gRPC status where the request speaks gRPC. A request whose
    /// headers can't be read gets problem+json.
    ///
    /// Always [`Action::Pause`]: a request that could not even be answered goes nowhere.
    pub fn send(&self, request: &Request<'_, impl StreamHost>) -> Action {
        self.send_with(request, &[], &NoMembers {})
    }

    /// As [`Refusal::send`], with more headers and, in the problem, with the fields of `members` as extension members
    /// (RFC 9457 section 3.2). A gRPC answer has the headers only.
    pub fn send_with(
        &self,
        request: &Request<'_, impl StreamHost>,
        headers: &[(&str, &[u8])],
        members: &impl Serialize,
    ) -> Action {
        let host = request.host();
        let sent = if is_grpc(request) {
            host.reply_grpc(self.status, self.grpc, &self.detail, headers)
        } else {
            let problem = Problem {
                refusal: self,
                members,
            };
            problem.send(headers, host)
        };
        if let Err(error) = sent {
            host.log(
                Level::Error,
                &format!("can't answer a request with {}: {error}", self.status),
            );
        }
        Action::Pause
    }
}

/// A problem without extension members.
#[derive(Serialize)]
struct NoMembers {}

/// A problem+json body.
#[derive(Serialize)]
struct Problem<'r, M> {
    #[serde(flatten)]
    refusal: &'r Refusal,
    #[serde(flatten)]
    members: &'r M,
}

impl<M: Serialize> Problem<'_, M> {
    fn send(&self, headers: &[(&str, &[u8])], host: &impl StreamHost) -> Result<(), HostError> {
        let body = serde_json::to_vec(self).unwrap_or_default();
        let content_type: (&str, &[u8]) = ("content-type", b"application/problem+json");
        let headers = [&[content_type], headers].concat();
        host.reply(self.refusal.status, &pairs::write(&headers), &body)
    }
}

/// Whether Envoy takes the request for gRPC (`Grpc::Common::hasGrpcContentType`): `application/grpc` or
/// `application/grpc+…`, letter for letter. gRPC-Web is not gRPC.
fn is_grpc(request: &impl RequestView) -> bool {
    let content_type = request.header("content-type").unwrap_or_default();
    let suffix = content_type.strip_prefix(b"application/grpc");
    suffix.is_some_and(|suffix| matches!(suffix, [] | [b'+', ..]))
}
