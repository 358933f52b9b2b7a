//! Headers as the ABI writes them: their number, the lengths of every name and value, then the texts, each followed by a
//! zero byte; integers are 32 bits, little-endian.
//!
//! Source: `proxy_get_header_map_pairs` in
//! <https://github.com/proxy-wasm/spec/tree/main/abi-versions/v0.2.1>.

/// The names and values in `bytes`, in place. Where the bytes stop making sense, the headers end.
pub fn read(bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let (lengths, mut texts) = split(bytes).unwrap_or_default();
    let (sizes, _) = lengths.as_chunks();
    let (sizes, _): (&[[[u8; 4]; 2]], _) = sizes.as_chunks();
    sizes.iter().map_while(move |[name, value]| {
        let (name, after) = take_text(texts, *name)?;
        let (value, after) = take_text(after, *value)?;
        texts = after;
        Some((name, value))
    })
}

/// The values of the headers `name` in `bytes`, in place, as [`read`] finds them.
pub fn values<'b, 'n>(bytes: &'b [u8], name: &'n str) -> Values<'b, 'n> {
    let (lengths, texts) = split(bytes).unwrap_or_default();
    Values {
        lengths,
        texts,
        name: name.as_bytes(),
    }
}

/// The values of one name, see [`values`].
#[derive(Clone, Debug)]
pub struct Values<'b, 'n> {
    lengths: &'b [u8],
    texts: &'b [u8],
    name: &'n [u8],
}

impl<'b> Iterator for Values<'b, '_> {
    type Item = &'b [u8];

    // Most of what a filter does with a request: no slice is made of what is only passed by.
    #[inline(never)]
    fn next(&mut self) -> Option<&'b [u8]> {
        loop {
            let ([a, b, c, d, e, f, g, h], lengths) = self.lengths.split_first_chunk()?;
            let (name, value) = (size([*a, *b, *c, *d])?, size([*e, *f, *g, *h])?);
            let value_at = name.checked_add(1)?;
            let end = value_at.checked_add(value)?;
            let texts = self.texts;
            self.lengths = lengths;
            self.texts = texts.get(end.checked_add(1)?..)?;
            if name == self.name.len() && texts.get(..name)? == self.name {
                return texts.get(value_at..end);
            }
        }
    }
}

/// The lengths, eight bytes for each header, and the texts.
fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (count, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(size(*count)?.checked_mul(8)?)
}

/// The text of that length, and what follows the zero byte after it.
fn take_text(texts: &[u8], length: [u8; 4]) -> Option<(&[u8], &[u8])> {
    let (text, rest) = texts.split_at_checked(size(length)?)?;
    Some((text, rest.get(1..)?))
}

fn size(bytes: [u8; 4]) -> Option<usize> {
    usize::try_from(u32::from_le_bytes(bytes)).ok()
}

/// The ABI's bytes for `headers`.
pub fn write<N: AsRef<[u8]>, V: AsRef<[u8]>>(headers: &[(N, V)]) -> Vec<u8> {
    let sizes = headers
        .iter()
        .map(|(name, value)| name.as_ref().len() + value.as_ref().len() + 10);
    let mut bytes = Vec::with_capacity(4 + sizes.sum::<usize>());
    bytes.extend_from_slice(&length(headers.len()));
    for (name, value) in headers {
        bytes.extend_from_slice(&length(name.as_ref().len()));
        bytes.extend_from_slice(&length(value.as_ref().len()));
    }
    for (name, value) in headers {
        bytes.extend_from_slice(name.as_ref());
        bytes.push(0);
        bytes.extend_from_slice(value.as_ref());
        bytes.push(0);
    }
    bytes
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
