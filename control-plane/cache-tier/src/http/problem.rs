//! Errors as `application/problem+json` (RFC 9457).

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

/// A type of problem: what RFC 9457 calls `type`, `title` and `status`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ProblemType {
    slug: &'static str,
    title: &'static str,
    status: StatusCode,
}

macro_rules! problem_types {
    ($($name:ident: $status:ident, $slug:literal, $title:literal;)+) => {
        $(
            pub(super) static $name: ProblemType = ProblemType {
                slug: $slug,
                title: $title,
                status: StatusCode::$status,
            };
        )+
    };
}

problem_types! {
    BAD_PATH: BAD_REQUEST, "bad-path", "A part of the path is not valid";
    BAD_QUERY: BAD_REQUEST, "bad-query", "A query parameter is not understood";
    BAD_HEADER: BAD_REQUEST, "bad-header", "A header field is missing or not understood";
    MALFORMED: BAD_REQUEST, "malformed-body", "The request body is not what was expected";
    NOT_FOUND: NOT_FOUND, "not-found", "Nothing is there";
    METHOD: METHOD_NOT_ALLOWED, "method-not-allowed", "The method is not allowed here";
    BODY_TIMEOUT: REQUEST_TIMEOUT, "body-timeout", "The request body took too long";
    FENCED: CONFLICT, "fenced", "The object was not stored";
    TOO_LARGE: PAYLOAD_TOO_LARGE, "body-too-large", "The request body is too large";
    INTERNAL: INTERNAL_SERVER_ERROR, "internal", "The tier failed";
    UNAVAILABLE: SERVICE_UNAVAILABLE, "store-unavailable", "Redis does not answer";
}

/// One error answer.
#[derive(Debug)]
pub(super) struct ProblemDetails {
    kind: &'static ProblemType,
    detail: String,
    /// What of the request it is about.
    field: Option<&'static str>,
}

impl ProblemDetails {
    pub(super) fn new(kind: &'static ProblemType, detail: impl Into<String>) -> Self {
        Self {
            kind,
            detail: detail.into(),
            field: None,
        }
    }

    /// About one field of the request.
    pub(super) fn of(
        kind: &'static ProblemType,
        field: &'static str,
        detail: impl std::fmt::Display,
    ) -> Self {
        Self {
            kind,
            detail: format!("{field}: {detail}"),
            field: Some(field),
        }
    }
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    type_uri: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'static str>,
}

impl IntoResponse for ProblemDetails {
    fn into_response(self) -> Response {
        let body = Body {
            type_uri: format!("https://weir.dev/problems/{}", self.kind.slug),
            title: self.kind.title,
            status: self.kind.status.as_u16(),
            detail: &self.detail,
            field: self.field,
        };
        let mut response = (self.kind.status, axum::Json(body)).into_response();
        response.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        response
    }
}
