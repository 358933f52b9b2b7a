//! Under which key an answer is stored.

use weir_policy::hash::hash64;

/// A key: all that makes two requests ask for the same, and its hash.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheKey {
    /// Its parts, each after its length, so that no two keys have the same text.
    pub text: Vec<u8>,
    /// XXH3 with 64 bits of the text. Others may have the same: compare the texts.
    pub hash: u64,
}

/// A key in the making.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyText(Vec<u8>);

impl KeyText {
    /// What begins as `key` does.
    pub(crate) fn after(key: &CacheKey) -> Self {
        Self(key.text.clone())
    }

    pub(crate) fn part(&mut self, part: &[u8]) {
        let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
        self.0.extend_from_slice(&length.to_le_bytes());
        self.0.extend_from_slice(part);
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
