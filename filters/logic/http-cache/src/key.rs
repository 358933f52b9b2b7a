//! Under which key an answer is stored.

use weir_policy::hash::hash64;

/// Bytes of a part's length, little-endian.
const LENGTH: usize = 4;
/// More than most keys have.
const USUAL_BYTES: usize = 160;

/// A key: all that makes two requests ask for the same, and its hash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheKey {
    /// Its parts, each after its length, so that no two keys have the same text.
    pub text: Vec<u8>,
    /// XXH3 with 64 bits of the text. Others may have the same: compare the texts.
    pub hash: u64,
}

impl CacheKey {
    /// So many parts, from a position on.
    pub(crate) fn parts(&self, position: usize, count: usize) -> Vec<u8> {
        let mut left = self.text.get(position..).unwrap_or_default();
        let mut parts = Vec::with_capacity(left.len());
        for _ in 0..count {
            let Some((length, rest)) = left.split_first_chunk() else {
                break;
            };
            let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
            let (part, rest) = rest.split_at_checked(length).unwrap_or_default();
            parts.extend_from_slice(part);
            left = rest;
        }
        parts
    }
}

/// A key in the making.
#[derive(Clone, Debug)]
pub(crate) struct KeyText(Vec<u8>);

impl KeyText {
    pub(crate) fn new() -> Self {
        Self(Vec::with_capacity(USUAL_BYTES))
    }

    /// What begins as `key` does.
    pub(crate) fn after(key: &CacheKey) -> Self {
        Self(key.text.clone())
    }

    pub(crate) fn part(&mut self, part: &[u8]) {
        self.made(|text| text.extend_from_slice(part));
    }

    /// A part that is written in place.
    pub(crate) fn made(&mut self, make: impl FnOnce(&mut Vec<u8>)) {
        self.0.extend_from_slice(&[0; LENGTH]);
        let start = self.0.len();
        make(&mut self.0);
        let length = u32::try_from(self.0.len().saturating_sub(start)).unwrap_or(u32::MAX);
        let place = self.0.get_mut(start.saturating_sub(LENGTH)..);
        if let Some(place) = place.and_then(<[u8]>::first_chunk_mut) {
            *place = length.to_le_bytes();
        }
    }

    /// Where the next part is.
    pub(crate) fn position(&self) -> usize {
        self.0.len()
    }

    /// A part that may be absent, which is not the same as empty.
    pub(crate) fn optional(&mut self, part: Option<&[u8]>) {
        self.0.push(u8::from(part.is_some()));
        self.part(part.unwrap_or_default());
    }

    pub(crate) fn finish(self) -> CacheKey {
        let hash = hash64(&self.0);
        CacheKey { text: self.0, hash }
    }
}
