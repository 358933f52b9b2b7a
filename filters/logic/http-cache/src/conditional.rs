//! Validators and the conditions on them (RFC 9110 sections 8.8 and 13.1).

use crate::date;

/// How two entity tags are compared (RFC 9110 section 8.8.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compare {
    /// Same tags, and neither is weak.
    Strong,
    /// Same tags, weak or not.
    Weak,
}

impl Compare {
    pub(crate) fn same(self, one: &[u8], other: &[u8]) -> bool {
        match self {
            Self::Strong => !is_weak(one) && one == other,
            Self::Weak => opaque(one) == opaque(other),
        }
    }
}

fn is_weak(etag: &[u8]) -> bool {
    etag.starts_with(b"W/")
}

fn opaque(etag: &[u8]) -> &[u8] {
    etag.strip_prefix(b"W/").unwrap_or(etag)
}

/// The tag of the same content in gzip: another representation, so another strong tag. Of one without quotes: none.
pub(crate) fn gzipped(etag: &[u8]) -> Option<Vec<u8>> {
    if is_weak(etag) {
        return Some(etag.to_vec());
    }
    let mut tag = etag.strip_suffix(b"\"")?.to_vec();
    tag.extend_from_slice(b"-gzip\"");
    Some(tag)
}

/// Whether the response is not newer than `since`, an `If-Modified-Since` (RFC 9111 section 4.3.2). Without a
/// `Last-Modified`, it is as old as its `Date`.
pub(crate) fn unmodified(
    since: &[u8],
    last_modified: Option<&[u8]>,
    date: Option<&[u8]>,
    now_s: i64,
) -> bool {
    if last_modified == Some(since) {
        return true;
    }
    let at = |value| date::parse(value, now_s);
    match (at(since), last_modified.or(date).and_then(at)) {
        (Some(since), Some(modified)) => modified <= since,
        _ => false,
    }
}

/// Whether an `If-Range` holds, so that the range counts (RFC 9110 section 13.1.5): the same strong tag, or the same
/// `Last-Modified`, if that is strong itself, being at least a second older than the response (section 8.8.2.2).
pub(crate) fn if_range(
    condition: &[u8],
    etag: Option<&[u8]>,
    last_modified: Option<&[u8]>,
    date: Option<&[u8]>,
    now_s: i64,
) -> bool {
    if condition.ends_with(b"\"") {
        return etag.is_some_and(|etag| Compare::Strong.same(condition, etag));
    }
    let at = |value: Option<&[u8]>| value.and_then(|value| date::parse(value, now_s));
    match (at(last_modified), at(date)) {
        (Some(modified), Some(date)) => last_modified == Some(condition) && modified < date,
        _ => false,
    }
}
