//! Request bodies, with a bound on their length and on the time they take.

use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::problem::{BODY_TIMEOUT, MALFORMED, ProblemDetails, TOO_LARGE};

/// A client may take this long to send one.
const TIMEOUT: Duration = Duration::from_secs(10);

pub(super) async fn read(body: Body, max: usize) -> Result<Bytes, ProblemDetails> {
    let too_large = || ProblemDetails::of(&TOO_LARGE, "body", format!("longer than {max} bytes"));
    let announced = http_body::Body::size_hint(&body).lower();
    if usize::try_from(announced).map_or(true, |announced| announced > max) {
        return Err(too_large());
    }
    match tokio::time::timeout(TIMEOUT, Limited::new(body, max).collect()).await {
        Err(_) => Err(ProblemDetails::of(
            &BODY_TIMEOUT,
            "body",
            format!("not there within {TIMEOUT:?}"),
        )),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large()),
        Ok(Err(error)) => Err(ProblemDetails::of(&MALFORMED, "body", error)),
        Ok(Ok(body)) => Ok(body.to_bytes()),
    }
}
