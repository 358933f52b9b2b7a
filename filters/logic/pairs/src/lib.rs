//! Headers as the ABI writes them: their number, the lengths of every name and value, then the texts, each followed by a
//! zero byte; integers are 32 bits, little-endian.
//!
//! Source: `proxy_get_header_map_pairs` in
//! <https://github.com/proxy-wasm/spec/tree/main/abi-versions/v0.2.1>.

/// The names and values in `bytes`, in place. Where the bytes stop making sense, the headers end.
pub fn read(bytes: &[u8]) -> Fields<'_> {
    let (sizes, texts) = parts(bytes).unwrap_or_default();
    Fields::new(sizes, texts)
}

/// The values of the headers `name` in `bytes`, in place, as [`read`] finds them.
pub fn values<'b, 'n>(bytes: &'b [u8], name: &'n str) -> Values<'b, 'n> {
    let (sizes, texts) = parts(bytes).unwrap_or_default();
    Values::new(sizes, texts, name)
}

/// Names and values, see [`read`].
#[derive(Clone, Debug, Default)]
pub struct Fields<'b> {
    sizes: &'b [u8],
    texts: &'b [u8],
}

impl<'b> Fields<'b> {
    /// Of the lengths, eight bytes for each header, and the texts.
    pub const fn new(sizes: &'b [u8], texts: &'b [u8]) -> Self {
        Self { sizes, texts }
    }

    /// What is left of lengths and of texts.
    pub const fn left(&self) -> (&'b [u8], &'b [u8]) {
        (self.sizes, self.texts)
    }
}

impl<'b> Iterator for Fields<'b> {
    type Item = (&'b [u8], &'b [u8]);

    // Walked in dozens of places: inlined, it is a tenth of a module.
    #[inline(never)]
    fn next(&mut self) -> Option<Self::Item> {
        let (sizes, left) = self.sizes.split_first_chunk()?;
        let (value_at, end) = ends(*sizes)?;
        let (field, texts) = self.texts.split_at_checked(end.checked_add(1)?)?;
        (self.sizes, self.texts) = (left, texts);
        Some((field.get(..value_at - 1)?, field.get(value_at..end)?))
    }
}

/// The values of one name, see [`values`].
#[derive(Clone, Debug)]
pub struct Values<'b, 'n> {
    fields: Fields<'b>,
    name: &'n [u8],
}

impl<'b, 'n> Values<'b, 'n> {
    /// Of the lengths, eight bytes for each header, and the texts.
    pub const fn new(sizes: &'b [u8], texts: &'b [u8], name: &'n str) -> Self {
        Self {
            fields: Fields::new(sizes, texts),
            name: name.as_bytes(),
        }
    }
}

impl<'b> Iterator for Values<'b, '_> {
    type Item = &'b [u8];

    // Most of what a filter does with a request: no slice is made of what is only passed by.
    #[inline(never)]
    fn next(&mut self) -> Option<&'b [u8]> {
        loop {
            let (sizes, left) = self.fields.sizes.split_first_chunk()?;
            let (value_at, end) = ends(*sizes)?;
            let texts = self.fields.texts;
            self.fields.sizes = left;
            self.fields.texts = texts.get(end.checked_add(1)?..)?;
            if value_at == self.name.len() + 1 && texts.get(..value_at - 1)? == self.name {
                return texts.get(value_at..end);
            }
        }
    }
}

/// The lengths, eight bytes for each header, and the texts.
fn parts(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (count, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(size(*count)?.checked_mul(8)?)
}

/// The same of bytes that are not needed any more.
pub fn split(mut bytes: Vec<u8>) -> (Vec<u8>, Vec<u8>) {
    let sizes = parts(&bytes).map(|(sizes, _)| sizes.to_vec()).unwrap_or_default();
    bytes.drain(..bytes.len().min(4 + sizes.len()));
    (sizes, bytes)
}

/// The ABI's bytes for lengths and texts.
pub fn join(sizes: &[u8], texts: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(4 + sizes.len() + texts.len());
    bytes.extend_from_slice(&length(sizes.len() / 8));
    bytes.extend_from_slice(sizes);
    bytes.extend_from_slice(texts);
    bytes
}

/// Adds a header to lengths and texts.
pub fn push(sizes: &mut Vec<u8>, texts: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    sizes.extend_from_slice(&length(name.len()));
    sizes.extend_from_slice(&length(value.len()));
    texts.extend_from_slice(name);
    texts.push(0);
    texts.extend_from_slice(value);
    texts.push(0);
}

/// Where the value of a header begins that has these lengths, and where it ends.
fn ends([a, b, c, d, e, f, g, h]: [u8; 8]) -> Option<(usize, usize)> {
    let value_at = size([a, b, c, d])?.checked_add(1)?;
    Some((value_at, value_at.checked_add(size([e, f, g, h])?)?))
}

fn size(bytes: [u8; 4]) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(bytes)).ok()
}

/// The ABI's bytes for `headers`.
pub fn write<N: AsRef<[u8]>, V: AsRef<[u8]>>(headers: &[(N, V)]) -> Vec<u8> {
    let (mut sizes, mut texts) = (Vec::new(), Vec::new());
    for (name, value) in headers {
        push(&mut sizes, &mut texts, name.as_ref(), value.as_ref());
    }
    join(&sizes, &texts)
}

fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_written_is_read(headers: Vec<(Vec<u8>, Vec<u8>)>) {
            let bytes = write(&headers);
            let found: Vec<_> = read(&bytes).map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
            prop_assert_eq!(found, headers);
            let (sizes, texts) = split(bytes.clone());
            prop_assert_eq!(join(&sizes, &texts), bytes);
        }

        /// Cut, or with four bytes overwritten: what is read lies within the bytes, and what comes before is as it was.
        #[test]
        fn damaged_bytes_are_read_without_a_panic(
            headers in prop::collection::vec((any::<Vec<u8>>(), any::<Vec<u8>>()), 0..4),
            cut: prop::sample::Index,
            at: prop::sample::Index,
            damage in prop_oneof![any::<u32>(), 0..200_u32, Just(u32::MAX)],
        ) {
            let whole = write(&headers);
            let cut = whole.get(..cut.index(whole.len() + 1)).unwrap();
            let found = read(cut).map(|(name, value)| (name.to_vec(), value.to_vec()));
            prop_assert!(found.eq(headers.iter().take(read(cut).count()).cloned()));
            let mut damaged = whole.clone();
            let at = at.index(whole.len() - 3);
            damaged[at..at + 4].copy_from_slice(&damage.to_le_bytes());
            let size: usize = read(&damaged).map(|(name, value)| name.len() + value.len() + 2).sum();
            prop_assert!(size <= whole.len());
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes: Vec<u8>) {
            prop_assert!(read(&bytes).count() <= bytes.len() / 8);
            let (sizes, texts) = split(bytes.clone());
            prop_assert!(Fields::new(&sizes, &texts).eq(read(&bytes)));
            prop_assert!(values(&bytes, "").count() <= bytes.len() / 8);
        }

        /// Also where the bytes are cut.
        #[test]
        fn the_values_of_a_name_are_those_that_are_read(
            headers in prop::collection::vec((prop::sample::select(vec!["a", "b", "ab", ""]), any::<Vec<u8>>()), 0..9),
            cut: prop::sample::Index,
        ) {
            let whole = write(&headers);
            let bytes = whole.get(..cut.index(whole.len() + 1)).unwrap();
            for name in ["a", "b", "ab", ""] {
                let expected = read(bytes).filter(|(known, _)| *known == name.as_bytes()).map(|(_, value)| value);
                prop_assert!(values(bytes, name).eq(expected));
            }
        }
    }

    #[test]
    fn no_bytes_are_no_headers() {
        assert_eq!(read(&[]).count(), 0);
        assert_eq!(write::<&str, &str>(&[]), [0; 4]);
        assert_eq!(write(&[("a", "bc")]), *b"\x01\0\0\0\x01\0\0\0\x02\0\0\0a\0bc\0");
    }
}
