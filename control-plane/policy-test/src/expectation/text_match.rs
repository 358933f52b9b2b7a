//! What is expected of a text.

use std::fmt;

use regex_lite::Regex;
use serde::Deserialize;
use serde_json::Value;

/// What is expected of a text: `"a"`, `null` (there is none) or `{matches: PATTERN}`.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Value")]
pub struct TextMatch(Kind);

#[derive(Clone, Debug)]
enum Kind {
    Absent,
    Equals(String),
    /// The whole text.
    Matches(Regex, String),
}

impl TextMatch {
    pub(crate) fn holds(&self, found: Option<&str>) -> bool {
        match (&self.0, found) {
            (Kind::Absent, found) => found.is_none(),
            (Kind::Equals(expected), Some(found)) => expected == found,
            (Kind::Matches(pattern, _), Some(found)) => pattern.is_match(found),
            (_, None) => false,
        }
    }
}

impl TryFrom<Value> for TextMatch {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        Ok(Self(match value {
            Value::Null => Kind::Absent,
            Value::String(text) => Kind::Equals(text),
            Value::Object(fields) => pattern(&fields)?,
            Value::Number(_) | Value::Bool(_) => {
                return Err(format!(
                    "expected a text, found {value}: what is in quotes is a text"
                ));
            }
            Value::Array(_) => return Err(expected(&value)),
        }))
    }
}

fn pattern(fields: &serde_json::Map<String, Value>) -> Result<Kind, String> {
    match (fields.get("matches"), fields.len()) {
        (Some(Value::String(pattern)), 1) => Regex::new(&weir_policy::matching::whole(pattern))
            .map(|regex| Kind::Matches(regex, pattern.clone()))
            .map_err(|error| format!("not a regular expression: {error}")),
        _ => Err(expected(&Value::Object(fields.clone()))),
    }
}

fn expected(found: &Value) -> String {
    format!("expected a text, null for none, or {{matches: PATTERN}}, found {found}")
}

impl fmt::Display for TextMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Absent => f.write_str("none"),
            Kind::Equals(text) => write!(f, "{text:?}"),
            Kind::Matches(_, pattern) => write!(f, "matches {pattern:?}"),
        }
    }
}
