//! Reads what stands in a request's head; what is wrong is named.

use std::str::FromStr;

use axum::extract::Query;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};
use weir_policy::name::Name;

use super::problem::{BAD_HEADER, BAD_PATH, BAD_QUERY, ProblemDetails};
use crate::place::Place;
use crate::tier::Tier;

/// The object that a path names.
pub(super) fn place(tier: &Tier, parts: &Parts) -> Result<Place, ProblemDetails> {
    let mut names = parts.uri.path().split('/').skip(3);
    let mut part = |field| {
        let part = names.next().unwrap_or_default();
        Name::try_new(part).map_err(|error| ProblemDetails::of(&BAD_PATH, field, error))
    };
    let (namespace, policy) = (part("namespace")?, part("policy")?);
    if !tier.settings.namespaces.contains(&namespace) {
        let detail = format!("{namespace} is not served here: weir cache-tier --namespace {namespace}");
        return Err(ProblemDetails::of(&BAD_PATH, "namespace", detail));
    }
    let key = names.next().unwrap_or_default();
    Place::try_new(&namespace, policy, key)
        .ok_or_else(|| ProblemDetails::of(&BAD_PATH, "key", "expected 32 to 128 digits of 0-9a-f"))
}

/// The query's parameters, each once at most, all of them known.
pub(super) fn query(parts: &Parts, known: &[&str]) -> Result<Vec<(String, String)>, ProblemDetails> {
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
        .map_err(|error| ProblemDetails::new(&BAD_QUERY, error.body_text()))?;
    for (at, (name, _)) in pairs.iter().enumerate() {
        if !known.contains(&name.as_str()) {
            let detail = format!("unknown query parameter {name:?}: expected {}", known.join(", "));
            return Err(ProblemDetails::new(&BAD_QUERY, detail));
        }
        if pairs.iter().take(at).any(|(before, _)| before == name) {
            return Err(ProblemDetails::new(&BAD_QUERY, format!("{name} stands twice")));
        }
    }
    Ok(pairs)
}

/// One parameter's value, if it is there.
pub(super) fn parameter<T: FromStr>(
    pairs: &[(String, String)],
    field: &'static str,
    expected: &str,
) -> Result<Option<T>, ProblemDetails> {
    let value = pairs.iter().find(|(name, _)| name == field);
    let parsed = value.map(|(_, value)| {
        let refused = |_| ProblemDetails::of(&BAD_QUERY, field, format!("{value:?}: expected {expected}"));
        value.parse().map_err(refused)
    });
    parsed.transpose()
}

/// A header field that may stand once.
pub(super) fn field<'a>(
    headers: &'a HeaderMap,
    name: &'static str,
) -> Result<Option<&'a HeaderValue>, ProblemDetails> {
    let mut values = headers.get_all(name).iter();
    let value = values.next();
    match values.next() {
        Some(_) => Err(ProblemDetails::of(&BAD_HEADER, name, "stands twice")),
        None => Ok(value),
    }
}

/// A header field that must be there.
pub(super) fn required<'a>(
    headers: &'a HeaderMap,
    name: &'static str,
) -> Result<&'a HeaderValue, ProblemDetails> {
    field(headers, name)?.ok_or_else(|| ProblemDetails::of(&BAD_HEADER, name, "is missing"))
}

/// A header field's text.
pub(super) fn text<'a>(value: &'a HeaderValue, name: &'static str) -> Result<&'a str, ProblemDetails> {
    let refused = |_| ProblemDetails::of(&BAD_HEADER, name, "not ASCII");
    value.to_str().map_err(refused)
}

/// A number that must be there.
pub(super) fn number(
    headers: &HeaderMap,
    name: &'static str,
    range: std::ops::RangeInclusive<u64>,
) -> Result<u64, ProblemDetails> {
    let value = text(required(headers, name)?, name)?;
    let number = value.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| {
        let detail = format!(
            "{value:?}: expected a number from {} to {}",
            range.start(),
            range.end()
        );
        ProblemDetails::of(&BAD_HEADER, name, detail)
    })
}
