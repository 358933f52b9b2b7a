//! From a JSON value to a typed document, with every problem found on the way.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

use super::{API_VERSION, Document, Kind, Metadata, Spec};
use crate::problem::{Problem, escape};

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

/// The most structural problems reported for one document.
const MAX_STRUCTURAL: usize = 32;

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
        Kind::EnvoyResource => Spec::EnvoyResource(typed(spec, "/spec")?),
        Kind::Gateway => Spec::Gateway(typed(spec, "/spec")?),
        Kind::ShardMap => Spec::ShardMap(typed(spec, "/spec")?),
    };
    Ok(Document { metadata, spec })
}

/// Reads `value` as a `T`. serde stops at the first error, so the offending node is taken out and the rest read
/// again, until nothing new is found.
fn typed<T: DeserializeOwned>(mut value: Value, base: &str) -> Result<T, Vec<Problem>> {
    let mut problems: Vec<Problem> = Vec::new();
    loop {
        let error = match serde_path_to_error::deserialize::<_, T>(&value) {
            Ok(typed) if problems.is_empty() => return Ok(typed),
            Ok(_) => return Err(problems),
            Err(error) => error,
        };
        let pointer = pointer_to(error.path());
        let problem = Problem::new(
            reason(&error.inner().to_string()),
            format!("{base}{pointer}"),
            error.inner().to_string(),
        );
        let known = is_consequence(&problem, &problems);
        if !known {
            problems.push(problem);
        }
        if known || problems.len() == MAX_STRUCTURAL || !take_out(&mut value, &pointer) {
            return Err(problems);
        }
    }
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

/// A field that was taken out is missing afterwards; that is no second problem.
fn is_consequence(problem: &Problem, earlier: &[Problem]) -> bool {
    problem.reason == "missing_field"
        && earlier.iter().any(|known| {
            let parent = known.pointer.rsplit_once('/').map_or("", |(parent, _)| parent);
            parent == problem.pointer
        })
}

fn pointer_to(path: &Path) -> String {
    path.iter()
        .filter_map(|segment| match segment {
            Segment::Seq { index } => Some(format!("/{index}")),
            Segment::Map { key } => Some(format!("/{}", escape(key))),
            Segment::Enum { variant } => Some(format!("/{}", escape(variant))),
            Segment::Unknown => None,
        })
        .collect()
}

fn take_out(value: &mut Value, pointer: &str) -> bool {
    let Some((parent, token)) = pointer.rsplit_once('/') else {
        return false;
    };
    let token = token.replace("~1", "/").replace("~0", "~");
    match value.pointer_mut(parent) {
        Some(Value::Object(fields)) => fields.remove(&token).is_some(),
        _ => false,
    }
}

/// serde's messages are its only stable interface to the kind of an error.
fn reason(message: &str) -> &'static str {
    const REASONS: [(&str, &str); 7] = [
        ("unknown field", "unknown_field"),
        ("missing field", "missing_field"),
        ("duplicate field", "duplicate_field"),
        ("unknown variant", "unknown_value"),
        ("invalid name", "invalid_name"),
        ("invalid quantity", "invalid_quantity"),
        ("invalid type", "wrong_type"),
    ];
    REASONS
        .iter()
        .find(|(prefix, _)| message.starts_with(prefix))
        .map_or("invalid_value", |(_, reason)| reason)
}
