//! Request bodies: JSON only, bounded in size and time.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use http::{HeaderMap, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::app::App;
use crate::control::Control;
use crate::problem::{BODY_TIMEOUT, MALFORMED, MEDIA_TYPE, ProblemDetails, TOO_LARGE};

/// A body of `application/json`.
///
/// Insisting on the type keeps web pages of other origins out: a browser asks first before it sends this type to
/// another origin, and no answer here allows it.
pub(crate) struct JsonBody<T>(pub(crate) T);

impl<C: Control, T: DeserializeOwned> FromRequest<App<C>> for JsonBody<T> {
    type Rejection = ProblemDetails;

    async fn from_request(request: Request, app: &App<C>) -> Result<Self, ProblemDetails> {
        json(request, app.settings.max_body, app.settings.body_timeout)
            .await
            .map(Self)
    }
}

/// A body of at most `max` bytes, which the client has sent within `timeout`.
pub(crate) async fn json<T: DeserializeOwned>(
    request: Request,
    max: usize,
    timeout: Duration,
) -> Result<T, ProblemDetails> {
    check_type(request.headers())?;
    let bytes = read(request, max, timeout).await?;
    parse(&bytes)
}

fn check_type(headers: &HeaderMap) -> Result<(), ProblemDetails> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return Err(ProblemDetails::new(
            &MEDIA_TYPE,
            "no Content-Type: expected application/json",
        ));
    };
    let value = String::from_utf8_lossy(value.as_bytes());
    let essence = value
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    match essence.as_str() {
        "application/json" => Ok(()),
        yaml if yaml.ends_with("yaml") => Err(ProblemDetails::new(
            &MEDIA_TYPE,
            "the API takes no YAML: send the document as JSON with Content-Type: application/json, or use \
             `weir apply -f`, which converts it",
        )),
        _ => Err(ProblemDetails::new(
            &MEDIA_TYPE,
            format!("Content-Type {value:?}: expected application/json"),
        )),
    }
}

async fn read(request: Request, max: usize, timeout: Duration) -> Result<Vec<u8>, ProblemDetails> {
    let announced = request
        .headers()
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > max as u64) {
        return Err(too_large(max));
    }
    let collect = Limited::<Body>::new(request.into_body(), max).collect();
    match tokio::time::timeout(timeout, collect).await {
        Ok(Ok(body)) => Ok(body.to_bytes().into()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large(max)),
        Ok(Err(error)) => Err(ProblemDetails::new(
            &MALFORMED,
            format!("the body broke off: {error}"),
        )),
        Err(_) => Err(ProblemDetails::new(
            &BODY_TIMEOUT,
            format!("the body was not there after {timeout:?}"),
        )),
    }
}

fn too_large(limit: usize) -> ProblemDetails {
    ProblemDetails::new(
        &TOO_LARGE,
        format!("the body is larger than the limit of {limit} bytes"),
    )
}

/// Two steps, since serde takes a list for a struct as well.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ProblemDetails> {
    let value: Value = serde_json::from_slice(bytes)
        .map_err(|error| ProblemDetails::new(&MALFORMED, format!("the body is no JSON: {error}")))?;
    if !value.is_object() {
        return Err(ProblemDetails::new(
            &MALFORMED,
            "the body is no JSON object: expected {…}",
        ));
    }
    serde_path_to_error::deserialize(value).map_err(|error| {
        let detail = match error.path().to_string().as_str() {
            "." => error.inner().to_string(),
            path => format!("{path}: {}", error.inner()),
        };
        ProblemDetails::new(&MALFORMED, detail)
    })
}
