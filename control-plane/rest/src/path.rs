//! What stands in paths.

use std::str::FromStr;

use axum::extract::{FromRequestParts, RawPathParams};
use http::request::Parts;
use weir_policy::document::{Identity, Kind};
use weir_policy::name::Name;

use crate::problem::{BAD_PATH, NOT_FOUND, ProblemDetails};

/// `/v1/namespaces/{namespace}/{kind}/{name}`.
pub(crate) struct ItemPath(pub(crate) Identity);

/// `/v1/namespaces/{namespace}/{kind}`, `/v1/{kind}`.
pub(crate) struct ListPath {
    pub(crate) namespace: Option<Name>,
    pub(crate) kind: Kind,
}

/// The only variable part of a path.
pub(crate) struct Part(pub(crate) String);

impl<S: Send + Sync> FromRequestParts<S> for ItemPath {
    type Rejection = ProblemDetails;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ProblemDetails> {
        let params = params(parts, state).await?;
        Ok(Self(Identity {
            kind: kind(&params)?,
            namespace: part(&params, "namespace")?,
            name: part(&params, "name")?,
        }))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for ListPath {
    type Rejection = ProblemDetails;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ProblemDetails> {
        let params = params(parts, state).await?;
        let namespace = find(&params, "namespace").map(|_| part(&params, "namespace"));
        Ok(Self {
            namespace: namespace.transpose()?,
            kind: kind(&params)?,
        })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Part {
    type Rejection = ProblemDetails;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ProblemDetails> {
        let params = params(parts, state).await?;
        let only = params.iter().map(|(_, value)| value.to_owned()).next();
        Ok(Self(only.unwrap_or_default()))
    }
}

async fn params<S: Send + Sync>(parts: &mut Parts, state: &S) -> Result<RawPathParams, ProblemDetails> {
    RawPathParams::from_request_parts(parts, state)
        .await
        .map_err(|error| ProblemDetails::new(&BAD_PATH, error.to_string()))
}

fn find<'a>(params: &'a RawPathParams, key: &str) -> Option<&'a str> {
    params
        .iter()
        .find_map(|(name, value)| (name == key).then_some(value))
}

/// A kind that doesn't exist is a path that doesn't exist.
fn kind(params: &RawPathParams) -> Result<Kind, ProblemDetails> {
    Kind::from_str(find(params, "kind").unwrap_or_default())
        .map_err(|error| ProblemDetails::new(&NOT_FOUND, error))
}

fn part(params: &RawPathParams, key: &str) -> Result<Name, ProblemDetails> {
    Name::from_str(find(params, key).unwrap_or_default())
        .map_err(|error| ProblemDetails::new(&BAD_PATH, format!("{key}: {error}")))
}
