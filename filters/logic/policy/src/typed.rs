//! From a JSON value to a type, with every problem of structure on the way: unknown, missing and mistyped fields.

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

use crate::problem::{Problem, escape};

/// The most structural problems reported for one value.
const MAX_STRUCTURAL: usize = 32;

/// Reads `value`, which stands at the pointer `base`, as a `T`. serde stops at the first error, so the offending node
/// is taken out and the rest read again, until nothing new is found.
///
/// # Errors
/// Every problem found, each with the pointer to it below `base`.
pub fn typed<T: DeserializeOwned>(mut value: Value, base: &str) -> Result<T, Vec<Problem>> {
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
