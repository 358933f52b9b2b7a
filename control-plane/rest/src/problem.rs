//! Errors as `application/problem+json` (RFC 9457).

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use weir_core::refusal::{DocumentProblem, Refusal};
use weir_policy::problem::Problem;

/// A type of problem: what RFC 9457 calls `type`, `title` and `status`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct ProblemType {
    slug: &'static str,
    title: &'static str,
    status: StatusCode,
}

macro_rules! problem_types {
    ($($name:ident: $status:ident, $slug:literal, $title:literal;)+) => {
        $(
            pub(crate) static $name: ProblemType = ProblemType {
                slug: $slug,
                title: $title,
                status: StatusCode::$status,
            };
        )+
    };
}

problem_types! {
    MALFORMED: BAD_REQUEST, "malformed-body", "The request body is not what was expected";
    BAD_QUERY: BAD_REQUEST, "bad-query", "A query parameter is not understood";
    BAD_PATH: BAD_REQUEST, "bad-path", "A part of the path is not valid";
    BAD_PRECONDITION: BAD_REQUEST, "bad-precondition", "A precondition is not understood";
    NOT_FOUND: NOT_FOUND, "not-found", "Nothing is there";
    METHOD: METHOD_NOT_ALLOWED, "method-not-allowed", "The method is not allowed here";
    BODY_TIMEOUT: REQUEST_TIMEOUT, "body-timeout", "The request body took too long";
    STALE: CONFLICT, "stale", "The document has changed in the meantime";
    IN_USE: CONFLICT, "in-use", "Other documents refer to the document";
    PRECONDITION: PRECONDITION_FAILED, "precondition-failed", "The document is not at the revision that was named";
    TOO_LARGE: PAYLOAD_TOO_LARGE, "body-too-large", "The request body is too large";
    MEDIA_TYPE: UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "The request body has the wrong type";
    HOST: MISDIRECTED_REQUEST, "unknown-host", "The API does not answer to this host name";
    INVALID: UNPROCESSABLE_ENTITY, "invalid-documents", "The documents are not valid";
    UNFIT: UNPROCESSABLE_ENTITY, "invalid-request", "The request is not valid";
    INTERNAL: INTERNAL_SERVER_ERROR, "internal", "The control plane failed";
    STORE: SERVICE_UNAVAILABLE, "store-unavailable", "The store could not write";
}

/// One error answer.
#[derive(Debug)]
pub(crate) struct ProblemDetails {
    kind: &'static ProblemType,
    detail: String,
    errors: Vec<DocumentProblem>,
}

impl ProblemDetails {
    pub(crate) fn new(kind: &'static ProblemType, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            errors: Vec::new(),
        }
    }

    /// `conditional`: whether the request named the revision in a header, as RFC 9110's preconditions.
    pub(crate) fn from_refusal(refusal: Refusal, conditional: bool) -> Self {
        let detail = refusal.to_string();
        let kind = match &refusal {
            Refusal::Invalid(_) => &INVALID,
            Refusal::Unfit(_) => &UNFIT,
            Refusal::NotFound(_) | Refusal::NoDependencies { .. } => &NOT_FOUND,
            Refusal::Stale { .. } if conditional => &PRECONDITION,
            Refusal::Stale { .. } => &STALE,
            Refusal::InUse { .. } => &IN_USE,
            Refusal::Store(_) => &STORE,
        };
        let errors = match refusal {
            Refusal::Invalid(problems) => problems,
            Refusal::Unfit(problems) => problems.into_iter().map(of_request).collect(),
            _ => Vec::new(),
        };
        Self { kind, detail, errors }
    }
}

/// A request that is about no document is like one with a single nameless one.
fn of_request(problem: Problem) -> DocumentProblem {
    DocumentProblem {
        document: 0,
        identity: None,
        problem,
    }
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    type_uri: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [DocumentProblem],
}

impl IntoResponse for ProblemDetails {
    fn into_response(self) -> Response {
        let body = Body {
            type_uri: format!("https://weir.dev/problems/{}", self.kind.slug),
            title: self.kind.title,
            status: self.kind.status.as_u16(),
            detail: &self.detail,
            errors: &self.errors,
        };
        let mut response = (self.kind.status, axum::Json(body)).into_response();
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        response
    }
}
