//! A value's text, as serde reads it.

use std::cell::Cell;

use serde::Deserializer;
use serde::de::{Error as _, Expected, Unexpected, Visitor};
use serde_json::Error;
use serde_json::value::RawValue;

use super::access::{Entries, Items, Variant};
use super::node::Node;

/// The text of a value.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    text: &'a str,
    place: &'a Cell<usize>,
}

impl<'a> Text<'a> {
    /// The text of `value`; its address is the place of the errors to come.
    #[inline(never)]
    pub(super) fn new(value: &'a RawValue, place: &'a Cell<usize>) -> Self {
        let text = value.get();
        place.set(text.as_ptr().addr());
        Self { text, place }
    }

    /// The text of a value in this one.
    pub(super) fn of(self, value: &'a RawValue) -> Self {
        Self::new(value, self.place)
    }

    fn node(self) -> Result<Node<'a>, Error> {
        Node::of(self.text)
    }

    #[inline(never)]
    fn bool(self, expected: &dyn Expected) -> Result<bool, Error> {
        match self.node()? {
            Node::Bool(value) => Ok(value),
            other => Err(other.mistaken(expected)),
        }
    }

    #[inline(never)]
    fn unsigned(self, expected: &dyn Expected) -> Result<u64, Error> {
        match self.node()? {
            Node::Unsigned(number) => Ok(number),
            Node::Signed(number) => Err(Error::invalid_value(Unexpected::Signed(number), expected)),
            other => Err(other.mistaken(expected)),
        }
    }

    #[inline(never)]
    fn string(self, expected: &dyn Expected) -> Result<String, Error> {
        match self.node()? {
            Node::String(text) => Ok(text),
            other => Err(other.mistaken(expected)),
        }
    }

    #[inline(never)]
    fn items(self, expected: &dyn Expected) -> Result<Items<'a>, Error> {
        match self.node()? {
            Node::List(items) => Ok(Items::new(items, self.place)),
            other => Err(other.mistaken(expected)),
        }
    }

    #[inline(never)]
    fn entries(self, expected: &dyn Expected) -> Result<Entries<'a>, Error> {
        match self.node()? {
            Node::Object(members) => Ok(Entries::new(members, self)),
            other => Err(other.mistaken(expected)),
        }
    }

    #[inline(never)]
    fn variant(self, expected: &dyn Expected) -> Result<Variant<'a>, Error> {
        match self.node()? {
            Node::String(name) => Ok(Variant { name, value: None }),
            Node::Object(mut members) => match (members.pop(), members.pop()) {
                (Some((name, value)), None) => Ok(Variant {
                    name,
                    value: Some(self.of(value)),
                }),
                _ => Err(Error::invalid_value(
                    Unexpected::Map,
                    &"an object with one member",
                )),
            },
            other => Err(other.mistaken(expected)),
        }
    }

    #[inline(never)]
    fn null(self, expected: &dyn Expected) -> Result<(), Error> {
        match self.node()? {
            Node::Null => Ok(()),
            other => Err(other.mistaken(expected)),
        }
    }
}

/// Methods that hand over what was read as serde calls it.
macro_rules! read {
    ($($method:ident: $read:ident => $visit:ident,)*) => {$(
        fn $method<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Error> {
            let value = self.$read(&visitor)?;
            visitor.$visit(value)
        }
    )*};
}

impl<'a> Deserializer<'a> for Text<'a> {
    type Error = Error;

    read! {
        deserialize_bool: bool => visit_bool,
        deserialize_u8: unsigned => visit_u64,
        deserialize_u16: unsigned => visit_u64,
        deserialize_u32: unsigned => visit_u64,
        deserialize_u64: unsigned => visit_u64,
        deserialize_string: string => visit_string,
        deserialize_str: string => visit_string,
        deserialize_identifier: string => visit_string,
    }

    fn deserialize_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.node()? {
            Node::Null => visitor.visit_unit(),
            Node::Bool(value) => visitor.visit_bool(value),
            Node::Unsigned(number) => visitor.visit_u64(number),
            Node::Signed(number) => visitor.visit_i64(number),
            Node::Float(number) => visitor.visit_f64(number),
            Node::String(text) => visitor.visit_string(text),
            Node::List(items) => visitor.visit_seq(&mut Items::new(items, self.place)),
            Node::Object(members) => visitor.visit_map(&mut Entries::new(members, self)),
        }
    }

    fn deserialize_option<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.text == "null" {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_unit<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Error> {
        self.null(&visitor)?;
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'a>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Error> {
        let mut items = self.items(&visitor)?;
        visitor.visit_seq(&mut items)
    }

    fn deserialize_tuple<V: Visitor<'a>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        let mut items = self.items(&visitor)?;
        let value = visitor.visit_seq(&mut items)?;
        match items.left() {
            0 => Ok(value),
            left => Err(Error::invalid_length(len + left, &"fewer elements in array")),
        }
    }

    fn deserialize_map<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Error> {
        let mut entries = self.entries(&visitor)?;
        visitor.visit_map(&mut entries)
    }

    fn deserialize_struct<V: Visitor<'a>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'a>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let variant = self.variant(&visitor)?;
        visitor.visit_enum(&variant)
    }

    /// The text is known to be JSON.
    fn deserialize_ignored_any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        <V: Visitor<'a>>
        i8 i16 i32 i64 i128 u128 f32 f64 char bytes byte_buf unit_struct tuple_struct
    }
}
