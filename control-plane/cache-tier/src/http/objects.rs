//! `PUT` and `DELETE /v1/objects/…`, and `POST /v1/release/…`.

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use weir_policy::cache_tier::{
    LEASE_HEADER, MAX_HIT_FOR_MISS_MS, MAX_REVISION, MAX_TAGS, MAX_TTL_MS, MAX_URL, REVISION_HEADER,
    TAGS_HEADER, TTL_HEADER, URL_HEADER, VARIANT_HEADER, VARY_HEADER, Variant, Vary, tags_value,
};

use super::problem::{BAD_HEADER, FENCED, ProblemDetails};
use super::{Shared, body, read};
use crate::store::{Object, Stored};
use crate::tier::Tier;

pub(super) async fn put(State(tier): Shared, request: Request) -> Result<Response, ProblemDetails> {
    let (parts, body) = request.into_parts();
    let place = read::place(&tier, &parts)?;
    read::query(&parts, &[])?;
    let object = object(&tier, &parts.headers, body).await?;
    let stored = tier.store.put(&place, &object).await;
    let fenced = |detail| Err(ProblemDetails::of(&FENCED, LEASE_HEADER, detail));
    let (label, answer) = match stored {
        Ok(Stored::Done) => ("stored", Ok(StatusCode::NO_CONTENT.into_response())),
        Ok(Stored::NoLease) => ("no_lease", fenced("it is over, or the object was deleted")),
        Ok(Stored::Purged) => ("purged", fenced("the object was purged since the fill began")),
        Err(error) => ("unavailable", Err(error.into())),
    };
    tier.metrics.put(label);
    answer
}

pub(super) async fn delete(State(tier): Shared, request: Request) -> Result<StatusCode, ProblemDetails> {
    let (parts, _) = request.into_parts();
    let place = read::place(&tier, &parts)?;
    read::query(&parts, &[])?;
    tier.store.delete(&place).await?;
    tier.metrics.deleted();
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn release(State(tier): Shared, request: Request) -> Result<StatusCode, ProblemDetails> {
    let (parts, _) = request.into_parts();
    let place = read::place(&tier, &parts)?;
    let pairs = read::query(&parts, &["hit_for_miss_ms"])?;
    let hit_for_miss_ms: Option<u64> = read::parameter(&pairs, "hit_for_miss_ms", "milliseconds")?;
    let lease = lease(&parts.headers)?;
    let hit_for_miss_ms = hit_for_miss_ms.unwrap_or(0).min(MAX_HIT_FOR_MISS_MS);
    let held = tier.store.release(&place, lease, hit_for_miss_ms).await?;
    tier.metrics.released(held);
    Ok(StatusCode::NO_CONTENT)
}

async fn object(tier: &Tier, headers: &HeaderMap, body: Body) -> Result<Object, ProblemDetails> {
    let url = url(headers)?;
    let (vary, variant) = variant(headers)?;
    Ok(Object {
        lease: lease(headers)?.to_owned(),
        revision: read::number(headers, REVISION_HEADER, 0..=MAX_REVISION)?,
        ttl_ms: read::number(headers, TTL_HEADER, 1..=u64::MAX)?.min(MAX_TTL_MS),
        tags: tags(headers, &url)?,
        url,
        vary,
        variant,
        body: body::read(body, tier.settings.max_object).await?,
    })
}

/// `<epoch>-<nonce>-<variant>`.
fn lease(headers: &HeaderMap) -> Result<&str, ProblemDetails> {
    let text = read::text(read::required(headers, LEASE_HEADER)?, LEASE_HEADER)?;
    let mut parts = text.splitn(3, '-');
    let (epoch, nonce, variant) = (parts.next(), parts.next(), parts.next());
    let is_token = epoch.is_some_and(|epoch| epoch.parse::<u64>().is_ok())
        && nonce.is_some_and(|nonce| nonce.len() == 32 && nonce.bytes().all(|byte| byte.is_ascii_hexdigit()))
        && variant.is_some_and(|variant| Variant::parse(variant).is_some());
    match is_token {
        true => Ok(text),
        false => Err(ProblemDetails::of(
            &BAD_HEADER,
            LEASE_HEADER,
            "not of a lookup's answer",
        )),
    }
}

fn url(headers: &HeaderMap) -> Result<Bytes, ProblemDetails> {
    let url = read::required(headers, URL_HEADER)?.as_bytes();
    match url.len() {
        1..=MAX_URL => Ok(Bytes::copy_from_slice(url)),
        length => {
            let detail = format!("{length} bytes: expected 1 to {MAX_URL}");
            Err(ProblemDetails::of(&BAD_HEADER, URL_HEADER, detail))
        }
    }
}

/// The URL is one more tag.
fn tags(headers: &HeaderMap, url: &[u8]) -> Result<String, ProblemDetails> {
    let refused = |detail: String| ProblemDetails::of(&BAD_HEADER, TAGS_HEADER, detail);
    let mut tags = tags_value([url]);
    let Some(value) = read::field(headers, TAGS_HEADER)? else {
        return Ok(tags);
    };
    let value = read::text(value, TAGS_HEADER)?;
    let given = value.split(',').map(str::trim).filter(|tag| !tag.is_empty());
    for (count, tag) in given.enumerate() {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if tag.len() != 16 || !tag.bytes().all(is_digit) {
            return Err(refused(format!("{tag:?}: expected 16 digits of 0-9a-f")));
        }
        if count >= MAX_TAGS {
            return Err(refused(format!("more than {MAX_TAGS} tags")));
        }
        tags.push(',');
        tags.push_str(tag);
    }
    Ok(tags)
}

/// Both fields, or neither.
fn variant(headers: &HeaderMap) -> Result<(Vary, Variant), ProblemDetails> {
    let names = read::field(headers, VARY_HEADER)?.map_or(Ok(""), |value| read::text(value, VARY_HEADER))?;
    let vary = Vary::try_new(names).map_err(|error| ProblemDetails::of(&BAD_HEADER, VARY_HEADER, error))?;
    let digits = match read::field(headers, VARIANT_HEADER)? {
        Some(value) => Some(read::text(value, VARIANT_HEADER)?),
        None => None,
    };
    let variant = match digits {
        Some(digits) => Variant::parse(digits),
        None => Some(Variant::only()),
    };
    let fits = variant.filter(|variant| (*variant == Variant::only()) == vary.as_str().is_empty());
    match fits {
        Some(variant) => Ok((vary, variant)),
        None => {
            let detail = format!("{digits:?}: expected 32 digits of 0-9a-f with {VARY_HEADER}, none without");
            Err(ProblemDetails::of(&BAD_HEADER, VARIANT_HEADER, detail))
        }
    }
}
