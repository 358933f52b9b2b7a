//! Persisted GraphQL queries.

use weir_route_match::query_of;
use weir_shard_map::parameter;

use crate::headers::Headers;

const HASH: &[u8] = b"\"sha256Hash\"";
const HASH_DIGITS: usize = 64;

/// Whether the query has `extensions.persistedQuery.sha256Hash`, as Apollo's automatic persisted queries write it. The JSON
/// is looked through, not read: what only looks like it is keyed by its whole text all the same, and the origin reads it.
pub(crate) fn is_persisted(request: &Headers) -> bool {
    let query = request.get(":path").and_then(query_of);
    let extensions = query.and_then(|query| parameter(query, b"extensions"));
    extensions.is_some_and(|json| has_hash(&json))
}

fn has_hash(json: &[u8]) -> bool {
    let within = after(json, b"\"persistedQuery\"");
    within
        .and_then(|within| after(within, HASH))
        .is_some_and(is_sha256)
}

/// What follows the first `name`.
fn after<'j>(json: &'j [u8], name: &[u8]) -> Option<&'j [u8]> {
    let at = json.windows(name.len()).position(|window| window == name)?;
    json.get(at + name.len()..)
}

/// `: "<64 hexadecimal digits>"`
fn is_sha256(json: &[u8]) -> bool {
    let value = json.trim_ascii_start().strip_prefix(b":").unwrap_or_default();
    let text = value.trim_ascii_start().strip_prefix(b"\"").unwrap_or_default();
    let digits = text.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    digits == HASH_DIGITS && text.get(digits) == Some(&b'"')
}
