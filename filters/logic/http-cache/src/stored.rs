//! Which fields of a response are stored (RFC 9111 section 3.1).

use crate::headers::Headers;
use crate::judge::{NotStored, Seen, add_date};
use crate::rules::CacheRules;
use crate::text::Backslash;

/// The most tags of a response.
const MAX_TAGS: usize = 64;
/// The most bytes that they have together.
const MAX_TAG_BYTES: usize = 4096;

/// Fields of one hop (RFC 9110 section 7.6.1, RFC 9111 section 3.1), and those that are made anew for every answer.
const HOP_BY_HOP: [&[u8]; 14] = [
    b"connection",
    b"keep-alive",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
    b"proxy-authenticate",
    b"proxy-authentication-info",
    b"proxy-authorization",
    b"http2-settings",
    b"age",
    b"content-length",
    b":status",
];

/// Whether a field `name` belongs to one hop.
pub(crate) fn is_hop_by_hop(name: &[u8]) -> bool {
    HOP_BY_HOP.contains(&name) || name.starts_with(b"x-envoy-") || name.starts_with(b":")
}

/// The names that `Connection` lists.
pub(crate) fn listed_by_connection(headers: &Headers) -> Vec<Vec<u8>> {
    let names = headers.items("connection", Backslash::Plain);
    names.map(<[u8]>::to_ascii_lowercase).collect()
}

/// The fields of a response that are stored: without those of one hop, those that `Connection` lists, and those `without`
/// which the response says that it may be stored.
pub(crate) fn fields(seen: &Seen<'_>, without: &[Vec<u8>]) -> Headers {
    let listed = listed_by_connection(seen.headers);
    let named = |names: &[Vec<u8>], name: &[u8]| names.iter().any(|known| known == name);
    let kept = seen
        .headers
        .iter()
        .filter(|(name, _)| !is_hop_by_hop(name) && !named(&listed, name) && !named(without, name));
    let mut kept: Headers = kept.collect();
    add_date(&mut kept, seen.response_ms);
    kept
}

impl CacheRules {
    /// The tags of a response, each once.
    pub(crate) fn tags(&self, headers: &Headers) -> Result<Vec<Vec<u8>>, NotStored> {
        let mut tags: Vec<Vec<u8>> = Vec::new();
        for value in self
            .policy()
            .tags
            .headers
            .iter()
            .flat_map(|name| headers.values(name))
        {
            for tag in value.split(|byte| matches!(byte, b' ' | b',' | b'\t')) {
                if tags.len() <= MAX_TAGS && !tag.is_empty() && !tags.iter().any(|known| known == tag) {
                    tags.push(tag.to_vec());
                }
            }
        }
        let bytes: usize = tags.iter().map(Vec::len).sum();
        if tags.len() > MAX_TAGS || bytes > MAX_TAG_BYTES {
            return Err(NotStored::TooManyTags);
        }
        Ok(tags)
    }
}
