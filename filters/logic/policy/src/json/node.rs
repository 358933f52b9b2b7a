//! A value, split into the texts of the values in it.

use std::fmt;

use serde::de::{Deserializer, Error as _, Expected, MapAccess, Unexpected, Visitor};
use serde_json::value::RawValue;
use serde_json::{Error, Number};

/// The members of an object, in their order.
pub(super) type Members<'a> = Vec<(String, &'a RawValue)>;

/// A value.
pub(super) enum Node<'a> {
    Null,
    Bool(bool),
    Number(Number),
    String(String),
    List(Vec<&'a RawValue>),
    Object(Members<'a>),
}

impl<'a> Node<'a> {
    /// The value that `text`, which is JSON, stands for.
    #[inline(never)]
    pub(super) fn of(text: &'a str) -> Result<Self, Error> {
        Ok(match text.as_bytes().first() {
            Some(b'{') => Self::Object(serde_json::Deserializer::from_str(text).deserialize_map(Split)?),
            Some(b'[') => Self::List(serde_json::from_str(text)?),
            Some(b'"') => Self::String(serde_json::from_str(text)?),
            Some(b't' | b'f') => Self::Bool(text == "true"),
            Some(b'n') => Self::Null,
            _ => Self::Number(serde_json::from_str(text)?),
        })
    }

    /// The error where something else was expected.
    #[inline(never)]
    pub(super) fn mistaken(&self, expected: &dyn Expected) -> Error {
        let found = match self {
            Self::Null => Unexpected::Unit,
            Self::Bool(value) => Unexpected::Bool(*value),
            Self::Number(number) => number_found(number),
            Self::String(text) => Unexpected::Str(text),
            Self::List(_) => Unexpected::Seq,
            Self::Object(_) => Unexpected::Map,
        };
        Error::invalid_type(found, expected)
    }
}

fn number_found(number: &Number) -> Unexpected<'static> {
    let integer = number.as_u64().map(Unexpected::Unsigned);
    integer
        .or_else(|| number.as_i64().map(Unexpected::Signed))
        .unwrap_or_else(|| Unexpected::Float(number.as_f64().unwrap_or_default()))
}

/// Splits an object.
struct Split;

impl<'a> Visitor<'a> for Split {
    type Value = Members<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut object: A) -> Result<Members<'a>, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = object.next_entry()? {
            members.push(member);
        }
        Ok(members)
    }
}
