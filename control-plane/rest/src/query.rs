//! Query parameters. Unknown ones are errors: a misspelt `dryRun` must not turn a trial into a change.

use axum::extract::{FromRequestParts, Query};
use http::request::Parts;
use weir_policy::name::Name;

use crate::problem::{BAD_QUERY, ProblemDetails};

/// `?dryRun=true`.
pub(crate) struct DryRun(pub(crate) bool);

/// No query parameters at all.
pub(crate) struct NoQuery;

/// `?namespace=shop`; without it, the default one.
pub(crate) struct InNamespace(pub(crate) Name);

impl<S: Send + Sync> FromRequestParts<S> for InNamespace {
    type Rejection = ProblemDetails;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ProblemDetails> {
        match pairs(parts)?.as_slice() {
            [] => Ok(Self(Name::default_namespace())),
            [(name, value)] if name == "namespace" => namespace(value).map(Self),
            [(name, _)] => Err(unknown(name, "expected namespace")),
            _ => Err(ProblemDetails::new(
                &BAD_QUERY,
                "expected one query parameter at most: namespace",
            )),
        }
    }
}

fn namespace(value: &str) -> Result<Name, ProblemDetails> {
    value
        .parse()
        .map_err(|error| ProblemDetails::new(&BAD_QUERY, format!("namespace: {error}")))
}

impl<S: Send + Sync> FromRequestParts<S> for DryRun {
    type Rejection = ProblemDetails;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ProblemDetails> {
        match pairs(parts)?.as_slice() {
            [] => Ok(Self(false)),
            [(name, value)] if name == "dryRun" => dry_run(value).map(Self),
            [(name, _)] => Err(unknown(name, "expected dryRun")),
            _ => Err(ProblemDetails::new(
                &BAD_QUERY,
                "expected one query parameter at most: dryRun",
            )),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for NoQuery {
    type Rejection = ProblemDetails;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ProblemDetails> {
        match pairs(parts)?.first() {
            None => Ok(Self),
            Some((name, _)) => Err(unknown(name, "expected none")),
        }
    }
}

fn dry_run(value: &str) -> Result<bool, ProblemDetails> {
    value
        .parse()
        .map_err(|_| ProblemDetails::new(&BAD_QUERY, format!("dryRun={value:?}: expected true or false")))
}

pub(crate) fn unknown(name: &str, expected: &str) -> ProblemDetails {
    ProblemDetails::new(
        &BAD_QUERY,
        format!("unknown query parameter {name:?}: {expected}"),
    )
}

pub(crate) fn pairs(parts: &Parts) -> Result<Vec<(String, String)>, ProblemDetails> {
    Query::try_from_uri(&parts.uri)
        .map(|Query(pairs)| pairs)
        .map_err(|error| ProblemDetails::new(&BAD_QUERY, error.body_text()))
}
