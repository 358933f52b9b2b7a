//! Header fields in one buffer.

use std::fmt;

use weir_route_match::RequestView;

use crate::text::{Backslash, Items, items};

/// As many fields as are added to most answers, and about what each has.
const MORE: usize = 8;
const USUAL_BYTES: usize = 32;

/// Header fields in their order, laid out as the proxy-wasm ABI does it: what the host gives and takes is not taken apart.
/// Names are lower-case; pseudo-headers (`:path`) are among them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers {
    /// Of each field: the lengths of name and value (32 bits, little-endian).
    sizes: Vec<u8>,
    /// Of each field: the name, the value, each before a zero byte.
    texts: Vec<u8>,
    /// The marks of all names: most that are asked for are not there.
    marks: u64,
}

/// The mark of a lower-case name: one bit.
fn mark(name: &[u8]) -> u64 {
    let (first, last) = match name {
        [first, .., last] => (*first, *last),
        _ => (0, 0),
    };
    let number = usize::from(first) + 8 * usize::from(last) + 3 * name.len();
    1 << (number % 64)
}

impl Headers {
    /// None.
    pub const fn new() -> Self {
        Self {
            sizes: Vec::new(),
            texts: Vec::new(),
            marks: 0,
        }
    }

    /// Of headers as a host gives them ([`weir_pairs::read`]).
    pub fn from_pairs(bytes: Vec<u8>) -> Self {
        let (sizes, texts) = weir_pairs::split(bytes);
        Self::from_parts(sizes, texts)
    }

    /// As a host takes them.
    pub fn to_pairs(&self) -> Vec<u8> {
        weir_pairs::join(&self.sizes, &self.texts)
    }

    /// Of lengths and texts, of which names are lower-case. Where these stop making sense, the fields end.
    pub(crate) fn from_parts(mut sizes: Vec<u8>, mut texts: Vec<u8>) -> Self {
        let mut fields = HeaderFields::new(&sizes, &texts);
        let marks = fields.by_ref().fold(0, |marks, (name, _)| marks | mark(name));
        let (no_sizes, no_texts) = fields.left();
        let (sizes_end, texts_end) = (sizes.len() - no_sizes.len(), texts.len() - no_texts.len());
        sizes.truncate(sizes_end);
        texts.truncate(texts_end);
        Self { sizes, texts, marks }
    }

    /// Lengths and texts.
    pub(crate) fn parts(&self) -> (&[u8], &[u8]) {
        (&self.sizes, &self.texts)
    }

    /// Adds a field at the end.
    pub fn push(&mut self, name: &[u8], value: &[u8]) {
        let start = self.texts.len();
        weir_pairs::push(&mut self.sizes, &mut self.texts, name, value);
        if let Some(name) = self.texts.get_mut(start..start + name.len()) {
            name.make_ascii_lowercase();
            self.marks |= mark(name);
        }
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
        let mut kept = Self::with_capacity(self.sizes.len() / 8 + MORE, self.texts.len());
        for (name, value) in self.iter() {
            if keep(name, value) {
                weir_pairs::push(&mut kept.sizes, &mut kept.texts, name, value);
                kept.marks |= mark(name);
            }
        }
        kept
    }

    /// The fields, each a name and a value.
    pub fn iter(&self) -> HeaderFields<'_> {
        HeaderFields::new(&self.sizes, &self.texts)
    }

    /// The first value of the field `name`, which is lower-case.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.values(name).next()
    }

    /// Every value of the field `name`, which is lower-case.
    #[inline(never)]
    pub fn values<'n>(&self, name: &'n str) -> HeaderValues<'_, 'n> {
        if self.marks & mark(name.as_bytes()) == 0 {
            return HeaderValues::new(&[], &[], name);
        }
        HeaderValues::new(&self.sizes, &self.texts, name)
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
        self.sizes.is_empty()
    }

    /// How much memory they take.
    pub fn byte_len(&self) -> usize {
        self.sizes.len() + self.texts.len()
    }

    fn with_capacity(fields: usize, bytes: usize) -> Self {
        Self {
            sizes: Vec::with_capacity(8 * fields),
            texts: Vec::with_capacity(bytes + MORE * USUAL_BYTES),
            marks: 0,
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
        let mut headers = Self::with_capacity(MORE, 0);
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
pub type HeaderFields<'h> = weir_pairs::Fields<'h>;

/// The values of the fields of one name, see [`Headers::values`].
pub type HeaderValues<'h, 'n> = weir_pairs::Values<'h, 'n>;

/// The members of a list over several lines, see [`Headers::items`].
#[derive(Clone, Debug)]
pub(crate) struct ListItems<'h, 'n> {
    values: HeaderValues<'h, 'n>,
    line: Items<'h>,
    backslash: Backslash,
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
