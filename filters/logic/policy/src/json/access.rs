//! What is in a list, an object, an enum.

use std::cell::Cell;
use std::vec;

use serde::Deserialize;
use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer, MapAccess, SeqAccess,
    Unexpected, VariantAccess, Visitor,
};
use serde_json::Error;
use serde_json::value::RawValue;

use super::node::Members;
use super::text::Text;

/// The rest of a list.
pub(super) struct Items<'a> {
    items: vec::IntoIter<&'a RawValue>,
    place: &'a Cell<usize>,
}

impl<'a> Items<'a> {
    pub(super) fn new(items: Vec<&'a RawValue>, place: &'a Cell<usize>) -> Self {
        Self {
            items: items.into_iter(),
            place,
        }
    }

    /// How many are left.
    pub(super) fn left(&self) -> usize {
        self.items.len()
    }

    #[inline(never)]
    fn next(&mut self) -> Option<Text<'a>> {
        let item = self.items.next()?;
        Some(Text::new(item, self.place))
    }
}

impl<'a> SeqAccess<'a> for &mut Items<'a> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'a>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        match self.next() {
            Some(item) => seed.deserialize(item).map(Some),
            None => Ok(None),
        }
    }
}

/// The rest of an object.
pub(super) struct Entries<'a> {
    members: Members<'a>,
    next: usize,
    value: Text<'a>,
}

impl<'a> Entries<'a> {
    /// `object` is the text that was split.
    pub(super) fn new(members: Members<'a>, object: Text<'a>) -> Self {
        Self {
            members,
            next: 0,
            value: object,
        }
    }

    #[inline(never)]
    fn key(&mut self) -> Option<&str> {
        let (key, value) = self.members.get(self.next)?;
        self.next += 1;
        self.value = self.value.of(value);
        Some(key)
    }
}

impl<'a> MapAccess<'a> for &mut Entries<'a> {
    type Error = Error;

    fn next_key_seed<S: DeserializeSeed<'a>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        match self.key() {
            Some(key) => seed.deserialize(name(key)).map(Some),
            None => Ok(None),
        }
    }

    fn next_value_seed<S: DeserializeSeed<'a>>(&mut self, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(self.value)
    }
}

fn name(name: &str) -> StrDeserializer<'_, Error> {
    name.into_deserializer()
}

/// A variant of an enum: `"name"` or `{"name": value}`.
pub(super) struct Variant<'a> {
    pub(super) name: String,
    pub(super) value: Option<Text<'a>>,
}

impl<'a> EnumAccess<'a> for &Variant<'a> {
    type Error = Error;
    type Variant = Content<'a>;

    fn variant_seed<S: DeserializeSeed<'a>>(self, seed: S) -> Result<(S::Value, Content<'a>), Error> {
        Ok((seed.deserialize(name(&self.name))?, Content(self.value)))
    }
}

/// What a variant holds, if anything.
pub(super) struct Content<'a>(Option<Text<'a>>);

impl<'a> Content<'a> {
    #[inline(never)]
    fn or_missing(self, expected: &'static str) -> Result<Text<'a>, Error> {
        self.0
            .ok_or_else(|| Error::invalid_type(Unexpected::UnitVariant, &expected))
    }
}

impl<'a> VariantAccess<'a> for Content<'a> {
    type Error = Error;

    #[inline(never)]
    fn unit_variant(self) -> Result<(), Error> {
        self.0.map_or(Ok(()), <()>::deserialize)
    }

    fn newtype_variant_seed<S: DeserializeSeed<'a>>(self, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(self.or_missing("newtype variant")?)
    }

    fn tuple_variant<V: Visitor<'a>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        self.or_missing("tuple variant")?.deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'a>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.or_missing("struct variant")?.deserialize_map(visitor)
    }
}
