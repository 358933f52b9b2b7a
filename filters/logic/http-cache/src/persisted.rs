//! Persisted GraphQL queries.

use serde::Deserialize;
use weir_route_match::query_of;
use weir_shard_map::parameter;

use crate::headers::Headers;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Extensions {
    persisted_query: PersistedQuery,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PersistedQuery {
    sha256_hash: String,
}

/// Whether the query has `extensions.persistedQuery.sha256Hash`, as Apollo's automatic persisted queries write it.
pub(crate) fn is_persisted(request: &Headers) -> bool {
    let query = request.get(":path").and_then(query_of);
    let extensions = query.and_then(|query| parameter(query, b"extensions"));
    let read = |json: &[u8]| serde_json::from_slice::<Extensions>(json).ok();
    extensions
        .and_then(|json| read(&json))
        .is_some_and(|found| is_sha256(&found.persisted_query.sha256_hash))
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
