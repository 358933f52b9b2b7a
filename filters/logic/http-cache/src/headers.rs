//! Header fields in one buffer.

use std::fmt;

use weir_route_match::RequestView;

use crate::text::{Backslash, Items, items};

/// More than the headers of most requests have.
const USUAL_BYTES: usize = 512;

/// Header fields in their order: one buffer of bytes, which is also how they are stored. Names are lower-case;
/// pseudo-headers (`:path`) are among them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers {
    /// Of each field: the lengths of name and value (32 bits, little-endian), the name, the value.
    bytes: Vec<u8>,
}

impl Headers {
    /// None.
    pub const fn new() -> Self {
        Self { bytes: Vec::new() }
    }

    /// Adds a field at the end.
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        let (Ok(names), Ok(values)) = (u32::try_from(name.len()), u32::try_from(value.len())) else {
            return;
        };
        self.bytes.extend_from_slice(&names.to_le_bytes());
        self.bytes.extend_from_slice(&values.to_le_bytes());
        let start = self.bytes.len();
        self.bytes.extend_from_slice(name);
        if let Some(name) = self.bytes.get_mut(start..) {
            name.make_ascii_lowercase();
        }
        self.bytes.extend_from_slice(value);
    }

    /// Has the field once, with this value, at the end.
    pub fn set(&mut self, name: &str, value: &[u8]) {
        self.remove(name);
        self.push(name.as_bytes(), value);
    }

    /// Takes all fields `name` out.
    pub fn remove(&mut self, name: &str) {
        if self.get(name).is_some() {
            self.retain(|known, _| known != name.as_bytes());
        }
    }

    /// Keeps those for which `keep` says so.
    pub fn retain(&mut self, keep: impl FnMut(&[u8], &[u8]) -> bool) {
        *self = self.only(keep);
    }

    /// Those for which `keep` says so, with room for some more.
    pub(crate) fn only(&self, mut keep: impl FnMut(&[u8], &[u8]) -> bool) -> Self {
        const MORE: usize = 128;
        let mut bytes = Vec::with_capacity(self.bytes.len().saturating_add(MORE));
        let mut fields = self.iter();
        loop {
            let before = fields.left;
            let Some((name, value)) = fields.next() else {
                return Self { bytes };
            };
            if keep(name, value) {
                let size = before.len().saturating_sub(fields.left.len());
                bytes.extend_from_slice(before.get(..size).unwrap_or_default());
            }
        }
    }

    /// The fields, each a name and a value.
    pub fn iter(&self) -> HeaderFields<'_> {
        HeaderFields { left: &self.bytes }
    }

    /// The first value of the field `name`, which is lower-case.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.values(name).next()
    }

    /// Every value of the field `name`, which is lower-case.
    pub fn values<'n>(&self, name: &'n str) -> HeaderValues<'_, 'n> {
        let fields = HeaderFields { left: &self.bytes };
        HeaderValues { fields, name }
    }

    /// The members of the list that the fields `name` are together.
    pub(crate) fn items<'n>(&self, name: &'n str, backslash: Backslash) -> ListItems<'_, 'n> {
        ListItems {
            values: self.values(name),
            line: items(&[], backslash),
            backslash,
        }
    }

    /// The values of the field `name` as one, between commas (RFC 9110 section 5.3); none where it is not there.
    pub fn joined(&self, name: &str) -> Option<Vec<u8>> {
        let mut values = self.values(name);
        let mut joined = values.next()?.to_vec();
        for value in values {
            joined.extend_from_slice(b", ");
            joined.extend_from_slice(value);
        }
        Some(joined)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// How much memory they take.
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Where the bytes stop making sense, the fields end.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.to_vec(),
        }
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = String::from_utf8_lossy;
        f.debug_map()
            .entries(self.iter().map(|(name, value)| (text(name), text(value))))
            .finish()
    }
}

impl<N: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(N, V)> for Headers {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut headers = Self {
            bytes: Vec::with_capacity(USUAL_BYTES),
        };
        for (name, value) in pairs {
            headers.push(name.as_ref(), value.as_ref());
        }
        headers
    }
}

impl RequestView for Headers {
    fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        Self::values(self, name)
    }
}

/// The fields, see [`Headers::iter`].
#[derive(Clone, Debug)]
pub struct HeaderFields<'h> {
    left: &'h [u8],
}

/// The values of the fields of one name, see [`Headers::values`].
#[derive(Clone, Debug)]
pub struct HeaderValues<'h, 'n> {
    fields: HeaderFields<'h>,
    name: &'n str,
}

/// The members of a list over several lines, see [`Headers::items`].
#[derive(Clone, Debug)]
pub(crate) struct ListItems<'h, 'n> {
    values: HeaderValues<'h, 'n>,
    line: Items<'h>,
    backslash: Backslash,
}

// All are walked in dozens of places: inlined, they are a tenth of a module.
impl<'h> Iterator for HeaderFields<'h> {
    type Item = (&'h [u8], &'h [u8]);

    #[inline(never)]
    fn next(&mut self) -> Option<Self::Item> {
        let (name, rest) = self.left.split_first_chunk()?;
        let (value, rest) = rest.split_first_chunk()?;
        let (name, rest) = rest.split_at_checked(length(*name)?)?;
        let (value, rest) = rest.split_at_checked(length(*value)?)?;
        self.left = rest;
        Some((name, value))
    }
}

impl<'h> Iterator for HeaderValues<'h, '_> {
    type Item = &'h [u8];

    #[inline(never)]
    fn next(&mut self) -> Option<Self::Item> {
        let name = self.name.as_bytes();
        loop {
            let left = self.fields.left;
            let (sizes, _) = left.split_first_chunk::<8>()?;
            let [a, b, c, d, e, f, g, h] = *sizes;
            let (names, values) = (length([a, b, c, d])?, length([e, f, g, h])?);
            let value_at = 8_usize.checked_add(names)?;
            let end = value_at.checked_add(values)?;
            self.fields.left = left.get(end..)?;
            if names == name.len() && left.get(8..value_at)? == name {
                return left.get(value_at..end);
            }
        }
    }
}

impl<'h> Iterator for ListItems<'h, '_> {
    type Item = &'h [u8];

    #[inline(never)]
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(item) = self.line.next() {
                return Some(item);
            }
            self.line = items(self.values.next()?, self.backslash);
        }
    }
}

fn length(bytes: [u8; 4]) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(bytes)).ok()
}
