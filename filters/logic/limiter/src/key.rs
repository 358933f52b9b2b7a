//! Keys: the values by which requests are counted together, as a fingerprint of 64 bits.
//!
//! No value is kept, however long it is; two keys of a limit with the same fingerprint (one pair in about 2^52) share their
//! quota. Twelve bits name the limit ([`LIMIT_BITS`]), so that its keys push no others out of a full bucket.

use weir_policy::compiled::rate_limit::CompiledDescriptor;
use weir_policy::problem::Problem;
use weir_quota::bucket::LIMIT_BITS;
use xxhash_rust::xxh3::xxh3_64;

use crate::descriptor::Descriptor;
use crate::limit::below;
use crate::request::LimitedRequest;

/// Stands for a value that a request lacks: longer than any value is.
const MISSING: u32 = u32::MAX;

/// 2^64 by the golden ratio, odd: epochs that follow one another differ in the high bits, which choose a bucket.
const EPOCH_STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// Which key a request has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(pub u64);

impl Fingerprint {
    /// The key under which counts stand after the limit was reset `epoch` times, and back: its own inverse. Shares go by
    /// keys without it, since each process has counted resets for itself. The limit's bits stay.
    #[must_use]
    pub const fn in_epoch(self, epoch: u32) -> Self {
        Self(self.0 ^ ((epoch as u64).wrapping_mul(EPOCH_STEP) & !LIMIT_BITS))
    }
}

/// Reads keys.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    /// Comes before the values: the hash of the limit, and so of one length. (A seeded hash would cost a module 2 KiB.)
    limit: u64,
    descriptors: Vec<Descriptor>,
}

/// A request's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) fingerprint: Fingerprint,
    /// Whether a value was missing.
    pub(crate) incomplete: bool,
}

impl Key {
    /// `limit` tells limits with the same descriptors apart; the problem's pointer is relative to `own`, which come after
    /// those of the limits above.
    pub(crate) fn try_new<'d>(
        limit: &str,
        above: impl Iterator<Item = &'d CompiledDescriptor>,
        own: &[CompiledDescriptor],
    ) -> Result<Self, Problem> {
        let mut descriptors = above.map(Descriptor::try_new).collect::<Result<Vec<_>, _>>()?;
        for (index, descriptor) in own.iter().enumerate() {
            let compiled = Descriptor::try_new(descriptor);
            descriptors.push(compiled.map_err(|problem| below(&format!("/{index}"), problem))?);
        }
        Ok(Self {
            limit: xxh3_64(limit.as_bytes()),
            descriptors,
        })
    }

    /// Whether all requests have the same key.
    pub(crate) fn is_constant(&self) -> bool {
        self.descriptors.is_empty()
    }

    /// The key of `request`.
    pub(crate) fn of(&self, request: &impl LimitedRequest) -> Found {
        let mut text = self.text();
        let mut incomplete = false;
        for descriptor in &self.descriptors {
            let value = descriptor.value(request);
            incomplete |= value.is_none();
            append(&mut text, value.as_deref());
        }
        Found {
            fingerprint: self.fingerprint(xxh3_64(&text)),
            incomplete,
        }
    }

    /// The key of a request with these values, in order; none if their number or one of them is wrong.
    pub(crate) fn of_texts(&self, values: &[String]) -> Option<Fingerprint> {
        if values.len() != self.descriptors.len() {
            return None;
        }
        let mut text = self.text();
        for (descriptor, value) in self.descriptors.iter().zip(values) {
            append(&mut text, Some(&*descriptor.value_of_text(value)?));
        }
        Some(self.fingerprint(xxh3_64(&text)))
    }

    fn text(&self) -> Vec<u8> {
        let mut text = Vec::with_capacity(64);
        text.extend_from_slice(&self.limit.to_le_bytes());
        text
    }

    fn fingerprint(&self, hash: u64) -> Fingerprint {
        Fingerprint((hash & !LIMIT_BITS) | (self.limit & LIMIT_BITS))
    }
}

/// Each value after its length, so that no two lists of values read the same.
fn append(text: &mut Vec<u8>, value: Option<&[u8]>) {
    let length = value.map_or(MISSING, |value| u32::try_from(value.len()).unwrap_or(MISSING - 1));
    text.extend_from_slice(&length.to_le_bytes());
    text.extend_from_slice(value.unwrap_or_default());
}
