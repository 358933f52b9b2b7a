//! Headers as Envoy keeps them: in order, names in lower case, values as bytes, several values to a name.

use std::fmt;

/// The headers of one message, pseudo-headers (`:path`, `:status`) included.
///
/// As in Envoy, [`get`](Self::get) answers the first value of a name, and [`replace`](Self::replace) removes *all*
/// values before it appends the new one (`HeaderMapImpl::setCopy`). Envoy joins repeated values of some well-known
/// names with a comma when a filter adds them; so does this map then.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct HeaderMap {
    entries: Vec<(String, Vec<u8>)>,
}

/// Names of which Envoy keeps one value (its inline headers), as far as filters are likely to add them.
const JOINED: [&str; 12] = [
    "accept",
    "accept-encoding",
    "authorization",
    "cache-control",
    "connection",
    "content-type",
    "te",
    "user-agent",
    "via",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-request-id",
];

impl HeaderMap {
    /// No headers.
    pub fn new() -> Self {
        Self::default()
    }

    /// The first value of `name`.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.values(name).next()
    }

    /// The first value of `name` as text; bytes that are not UTF-8 are replaced.
    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name)
            .map(|value| String::from_utf8_lossy(value).into_owned())
    }

    /// All values of `name`, in order.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let name = name.to_ascii_lowercase();
        self.entries
            .iter()
            .filter(move |(known, _)| *known == name)
            .map(|(_, value)| value.as_slice())
    }

    /// Appends a value, leaving others of the same name.
    pub fn add(&mut self, name: impl AsRef<str>, value: impl Into<Vec<u8>>) {
        self.entries
            .push((name.as_ref().to_ascii_lowercase(), value.into()));
    }

    /// Adds a value as a filter's does in Envoy: pseudo-headers and names that Envoy knows to be lists keep one value,
    /// to which the new one is joined with a comma.
    pub(crate) fn add_joined(&mut self, name: &str, value: Vec<u8>) {
        let name = name.to_ascii_lowercase();
        let joins = name.starts_with(':') || JOINED.contains(&name.as_str());
        match self.entries.iter_mut().find(|(known, _)| joins && *known == name) {
            Some((_, known)) => {
                known.push(b',');
                known.extend(value);
            }
            None => self.add(name, value),
        }
    }

    /// Removes all values of `name` and appends this one.
    pub fn replace(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        self.remove(name);
        self.add(name, value);
    }

    /// Puts this value in the place of the first one of `name`, and removes the others; appends it when there is none.
    pub(crate) fn set_in_place(&mut self, name: &str, value: impl Into<Vec<u8>>) {
        let name = name.to_ascii_lowercase();
        let Some(place) = self.entries.iter().position(|(known, _)| *known == name) else {
            return self.add(name, value);
        };
        let mut index = 0;
        self.entries.retain(|(known, _)| {
            index += 1;
            *known != name || index - 1 == place
        });
        if let Some((_, known)) = self.entries.get_mut(place) {
            *known = value.into();
        }
    }

    /// Joins all values of `name` into one.
    pub(crate) fn join(&mut self, name: &str, separator: &[u8]) {
        let values: Vec<&[u8]> = self.values(name).collect();
        if values.len() > 1 {
            let joined = values.join(separator);
            self.replace(name, joined);
        }
    }

    /// Removes all values of `name`.
    pub fn remove(&mut self, name: &str) {
        let name = name.to_ascii_lowercase();
        self.entries.retain(|(known, _)| *known != name);
    }

    /// Names and values, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.entries
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_slice()))
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The sum of the lengths of all names and values.
    pub(crate) fn byte_size(&self) -> usize {
        self.entries
            .iter()
            .map(|(name, value)| name.len() + value.len())
            .sum()
    }

    /// The ABI's form of a map: count, the lengths, then names and values, each with a zero byte after it.
    /// No entries are no bytes at all.
    pub(crate) fn to_pairs(&self) -> Vec<u8> {
        if self.entries.is_empty() {
            return Vec::new();
        }
        let mut out = length(self.entries.len()).to_vec();
        for (name, value) in &self.entries {
            out.extend(length(name.len()));
            out.extend(length(value.len()));
        }
        for (name, value) in &self.entries {
            out.extend(name.as_bytes());
            out.push(0);
            out.extend(value);
            out.push(0);
        }
        out
    }

    /// Reads the ABI's form. Like Envoy, takes bytes that are no map for an empty one.
    pub(crate) fn from_pairs(bytes: &[u8]) -> Self {
        parse(bytes).unwrap_or_default()
    }
}

impl fmt::Debug for HeaderMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let readable = self
            .iter()
            .map(|(name, value)| (name, value.escape_ascii().to_string()));
        f.debug_map().entries(readable).finish()
    }
}

impl<N: AsRef<str>, V: Into<Vec<u8>>> FromIterator<(N, V)> for HeaderMap {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut map = Self::new();
        for (name, value) in pairs {
            map.add(name, value);
        }
        map
    }
}

fn length(value: usize) -> [u8; 4] {
    u32::try_from(value).unwrap_or(u32::MAX).to_le_bytes()
}

fn parse(bytes: &[u8]) -> Option<HeaderMap> {
    let (count, rest) = take_u32(bytes)?;
    let mut lengths = rest;
    let mut texts = rest.get(count.checked_mul(8)?..)?;
    let mut map = HeaderMap::new();
    for _ in 0..count {
        let (name_length, after) = take_u32(lengths)?;
        let (value_length, after) = take_u32(after)?;
        let (name, after_name) = take_text(texts, name_length)?;
        let (value, after_value) = take_text(after_name, value_length)?;
        map.add(String::from_utf8_lossy(name), value);
        (lengths, texts) = (after, after_value);
    }
    Some(map)
}

fn take_u32(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (first, rest) = bytes.split_first_chunk()?;
    Some((usize::try_from(u32::from_le_bytes(*first)).ok()?, rest))
}

/// `length` bytes, and what follows the zero byte after them.
fn take_text(bytes: &[u8], length: usize) -> Option<(&[u8], &[u8])> {
    let (text, rest) = bytes.split_at_checked(length)?;
    Some((text, rest.get(1..)?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn pairs_hold_any_bytes(entries: Vec<(String, Vec<u8>)>) {
            let map: HeaderMap = entries.into_iter().collect();
            prop_assert_eq!(HeaderMap::from_pairs(&map.to_pairs()), map);
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            HeaderMap::from_pairs(&bytes);
        }
    }

    #[test]
    fn replace_leaves_one_value_where_there_were_three() {
        let mut map: HeaderMap = [("X-A", "1"), ("x-b", "2"), ("x-a", "3"), ("x-A", "4")]
            .into_iter()
            .collect();
        assert_eq!(map.get("x-a"), Some(&b"1"[..]));
        map.replace("x-a", "5");
        assert_eq!(map, [("x-b", "2"), ("x-a", "5")].into_iter().collect());
    }
}
