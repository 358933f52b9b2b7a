//! From a JSON value to a typed document, with every problem found on the way.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{API_VERSION, Document, Kind, Metadata, Spec};
use crate::problem::{Problem, escape};
use crate::typed::typed;

/// A document of which only the outer shape is known.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Envelope {
    api_version: String,
    kind: String,
    metadata: Metadata,
    spec: Value,
    #[serde(default)]
    status: Option<Value>,
}

/// The deepest nesting of a document. JSON readers stop at 127 levels, and a document is stored inside an event.
const MAX_DEPTH: usize = 64;

pub(super) fn document(value: Value) -> Result<Document, Vec<Problem>> {
    if let Some(pointer) = too_deep(&value, MAX_DEPTH) {
        let detail = format!("nested deeper than {MAX_DEPTH} levels");
        return Err(vec![Problem::new("too_deep", pointer, detail)]);
    }
    let Envelope {
        api_version,
        kind,
        metadata,
        spec,
        status: _,
    } = typed(value, "")?;
    if api_version != API_VERSION {
        let detail = format!("unknown apiVersion {api_version:?}: expected {API_VERSION:?}");
        return Err(vec![Problem::new("unknown_api_version", "/apiVersion", detail)]);
    }
    let kind = Kind::ALL
        .into_iter()
        .find(|known| known.as_str() == kind)
        .ok_or_else(|| {
            let expected = Kind::ALL.map(Kind::as_str).join(", ");
            vec![Problem::new(
                "unknown_kind",
                "/kind",
                format!("unknown kind {kind:?}: expected one of {expected}"),
            )]
        })?;
    let spec = match kind {
        Kind::Backend => Spec::Backend(typed(spec, "/spec")?),
        Kind::CachePolicy => Spec::CachePolicy(typed(spec, "/spec")?),
        Kind::EnvoyResource => Spec::EnvoyResource(typed(spec, "/spec")?),
        Kind::Gateway => Spec::Gateway(typed(spec, "/spec")?),
        Kind::HedgePolicy => Spec::HedgePolicy(typed(spec, "/spec")?),
        Kind::RateLimitPolicy => Spec::RateLimitPolicy(typed(spec, "/spec")?),
        Kind::ShardMap => Spec::ShardMap(typed(spec, "/spec")?),
    };
    Ok(Document { metadata, spec })
}

/// The pointer to the first value that stands deeper than `levels`.
fn too_deep(value: &Value, levels: usize) -> Option<String> {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(name, child)| (escape(name), child)).collect(),
        Value::Array(items) => items
            .iter()
            .enumerate()
            .map(|(index, child)| (index.to_string(), child))
            .collect(),
        _ => return None,
    };
    let Some(deeper) = levels.checked_sub(1) else {
        return Some(String::new());
    };
    children
        .into_iter()
        .find_map(|(token, child)| Some(format!("/{token}{}", too_deep(child, deeper)?)))
}
