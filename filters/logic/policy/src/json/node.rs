//! A value, split into the texts of the values in it.

use std::fmt;

use serde::de::{Deserializer, Error as _, Expected, MapAccess, SeqAccess, Unexpected, Visitor};
use serde_json::Error;
use serde_json::value::RawValue;

/// The members of an object, in their order.
pub(super) type Members<'a> = Vec<(String, &'a RawValue)>;

/// A value.
pub(super) enum Node<'a> {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    String(String),
    List(Vec<&'a RawValue>),
    Object(Members<'a>),
}

impl<'a> Node<'a> {
    /// The value that `text`, which is JSON, stands for.
    #[inline(never)]
    pub(super) fn of(text: &'a str) -> Result<Self, Error> {
        serde_json::Deserializer::from_slice(text.as_bytes()).deserialize_any(Split)
    }

    /// The error where something else was expected.
    #[inline(never)]
    pub(super) fn mistaken(&self, expected: &dyn Expected) -> Error {
        let found = match self {
            Self::Null => Unexpected::Unit,
            Self::Bool(value) => Unexpected::Bool(*value),
            Self::Unsigned(number) => Unexpected::Unsigned(*number),
            Self::Signed(number) => Unexpected::Signed(*number),
            Self::Float(number) => Unexpected::Float(*number),
            Self::String(text) => Unexpected::Str(text),
            Self::List(_) => Unexpected::Seq,
            Self::Object(_) => Unexpected::Map,
        };
        Error::invalid_type(found, expected)
    }
}

/// Splits a value.
struct Split;

impl<'a> Visitor<'a> for Split {
    type Value = Node<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Node<'a>, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node<'a>, E> {
        Ok(Node::Bool(value))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Node<'a>, E> {
        Ok(Node::Unsigned(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Node<'a>, E> {
        Ok(Node::Signed(number))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Node<'a>, E> {
        Ok(Node::Float(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node<'a>, E> {
        Ok(Node::String(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut list: A) -> Result<Node<'a>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'a>>(self, mut object: A) -> Result<Node<'a>, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = object.next_entry()? {
            members.push(member);
        }
        Ok(Node::Object(members))
    }
}
