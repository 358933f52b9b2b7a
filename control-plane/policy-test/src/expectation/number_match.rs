//! What is expected of a number.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;

/// What is expected of a number: `3`, `null` (there is none) or `{atLeast: 3}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Value")]
pub enum NumberMatch {
    /// There is none.
    Absent,
    /// Exactly so many.
    Equals(u64),
    /// So many or more.
    AtLeast(u64),
}

impl NumberMatch {
    pub(crate) fn holds(self, found: Option<u64>) -> bool {
        match (self, found) {
            (Self::Absent, found) => found.is_none(),
            (Self::Equals(expected), Some(found)) => expected == found,
            (Self::AtLeast(least), Some(found)) => found >= least,
            (_, None) => false,
        }
    }
}

impl TryFrom<Value> for NumberMatch {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let at_least = |fields: &serde_json::Map<String, Value>| match fields.len() {
            1 => fields.get("atLeast").and_then(Value::as_u64),
            _ => None,
        };
        let found = match &value {
            Value::Null => Some(Self::Absent),
            Value::Object(fields) => at_least(fields).map(Self::AtLeast),
            other => other.as_u64().map(Self::Equals),
        };
        found.ok_or_else(|| {
            format!("expected a whole number, null for none, or {{atLeast: NUMBER}}, found {value}")
        })
    }
}

impl fmt::Display for NumberMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("none"),
            Self::Equals(number) => write!(f, "{number}"),
            Self::AtLeast(number) => write!(f, "at least {number}"),
        }
    }
}
