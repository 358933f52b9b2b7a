//! `If-Match` and `If-None-Match` (RFC 9110 section 13), in terms of revisions.

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde_json::Value;
use weir_core::event::Revision;

use crate::problem::{BAD_PRECONDITION, ProblemDetails};

/// The revision that the document must be at; 0: it must not be there.
#[derive(Clone, Copy)]
pub(crate) struct Precondition(pub(crate) Option<Revision>);

impl<S: Send + Sync> FromRequestParts<S> for Precondition {
    type Rejection = ProblemDetails;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ProblemDetails> {
        let matching = single(&parts.headers, header::IF_MATCH)?;
        let absent = single(&parts.headers, header::IF_NONE_MATCH)?;
        match (matching, absent) {
            (None, None) => Ok(Self(None)),
            (Some(tag), None) => revision(tag).map(Some).map(Self),
            (None, Some("*")) => Ok(Self(Some(0))),
            (None, Some(tag)) => Err(bad(format!("If-None-Match {tag:?}: expected *"))),
            (Some(_), Some(_)) => Err(bad("expected If-Match or If-None-Match, not both")),
        }
    }
}

impl Precondition {
    /// Whether the request has one.
    pub(crate) const fn is_given(self) -> bool {
        self.0.is_some()
    }

    /// Makes it the document's own condition, `metadata.revision`. A document without metadata is left as it is: it
    /// is refused for that.
    pub(crate) fn write_to(self, document: &mut Value) -> Result<(), ProblemDetails> {
        let (Some(revision), Some(Value::Object(metadata))) = (self.0, document.get_mut("metadata")) else {
            return Ok(());
        };
        match metadata.insert("revision".to_owned(), revision.into()) {
            Some(other) if other != Value::Null && other != revision => Err(bad(format!(
                "the header is for revision {revision}, the document's metadata.revision is {other}"
            ))),
            _ => Ok(()),
        }
    }
}

/// The entity tag of a document as the API answers it.
pub(crate) fn etag(document: &Value) -> Option<HeaderValue> {
    let revision = document.pointer("/metadata/revision")?.as_u64()?;
    HeaderValue::from_str(&format!("\"{revision}\"")).ok()
}

fn single(headers: &HeaderMap, name: HeaderName) -> Result<Option<&str>, ProblemDetails> {
    let mut values = headers.get_all(&name).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value
            .to_str()
            .map(Some)
            .map_err(|_| bad(format!("{name}: expected ASCII"))),
        (Some(_), Some(_)) => Err(bad(format!("{name} stands twice"))),
    }
}

fn revision(tag: &str) -> Result<Revision, ProblemDetails> {
    tag.strip_prefix('"')
        .and_then(|tag| tag.strip_suffix('"'))
        .and_then(|tag| tag.parse().ok())
        .filter(|revision| *revision != 0)
        .ok_or_else(|| {
            bad(format!(
                "If-Match {tag:?}: expected one ETag of a document, such as \"17\", in its quotes"
            ))
        })
}

fn bad(detail: impl Into<String>) -> ProblemDetails {
    ProblemDetails::new(&BAD_PRECONDITION, detail)
}
