//! What a cache filter and `weir cache-tier` say to one another: paths, header fields, limits, hashes.
//!
//! The tier keeps objects for all proxies. An object is bytes that only the filter reads; what the tier has to know of it
//! stands in header fields. `{key}` is the hash of the whole text of the key, 32 to 128 digits of `0-9a-f`.
//!
//! | request | answers |
//! | --- | --- |
//! | `POST /v1/lookup/{namespace}/{policy}/{key}?wait_ms=N&refresh=true`, body: the request's [fields](fields) | see [`status`] |
//! | `PUT /v1/objects/{namespace}/{policy}/{key}`, body: the object | 204 stored; 409 fenced: something newer is known, or the lease is gone |
//! | `DELETE /v1/objects/{namespace}/{policy}/{key}` | 204; every variant is gone, and fills under way are refused |
//! | `POST /v1/release/{namespace}/{policy}/{key}?hit_for_miss_ms=N` | 204; the lease is given back, whether it was held or not |
//!
//! Whatever else comes back (503, a 4xx, nothing at all): go to the origin, store nothing here.
//!
//! **Leases.** One caller in the fleet has the lease of a key and variant. It fetches, then stores or releases; others wait up
//! to `wait_ms`. The object is stored only while its lease lives ([`LEASE_MS_HEADER`]). `refresh=true` asks for the lease
//! even though there is an object: to validate a stale one behind a client's back.
//!
//! **Purges.** A fill says up to which [revision](REVISION_HEADER) of the control plane its proxy knew the purges when it
//! began; what was purged later is not stored, and not found. An answer says the same of the object: a proxy that knows of
//! a purge already, which the tier does not, can tell.
//!
//! **Variants.** Under a key, objects with other values of the fields that `Vary` names lie beside one another. The tier knows
//! the names from the last object that was stored ([`VARY_HEADER`]), and the values from the lookup's body; it computes
//! [`variant`] as the filter does that stores. A hash is no proof: the filter keeps the key's text and the values in the
//! object and compares them.

mod fields;
mod path;
mod vary;

pub use fields::{Fields, FieldsError, decode_fields, encode_field};
pub use path::{lookup_path, object_path, release_path};
pub use vary::{VARIANT_DIGITS, Variant, Vary, VaryError, variant};

use crate::hash::{hash64, push_digits};

/// The right to fill: of a lookup's answer, and of the `PUT` or release that follows.
pub const LEASE_HEADER: &str = "x-weir-lease";
/// How long the lease lives, milliseconds.
pub const LEASE_MS_HEADER: &str = "x-weir-lease-ms";
/// How long the object is kept, milliseconds: fresh and stale together; of an answer: how long still.
pub const TTL_HEADER: &str = "x-weir-ttl-ms";
/// The control plane's revision up to which purges were known when the fill began.
pub const REVISION_HEADER: &str = "x-weir-revision";
/// The [hashes](surrogate) of the object's tags, between commas.
pub const TAGS_HEADER: &str = "x-weir-tags";
/// The URL without a scheme, as purges name it: `shop.example/products?page=2`.
pub const URL_HEADER: &str = "x-weir-url";
/// The names that the object varies by ([`Vary`]); of an answer: those that are known.
pub const VARY_HEADER: &str = "x-weir-vary";
/// The object's [`Variant`]; with [`VARY_HEADER`].
pub const VARIANT_HEADER: &str = "x-weir-variant";
/// [`PURGED_SOFT`] of an answer whose object is stale by a soft purge, whatever its own age says.
pub const PURGED_HEADER: &str = "x-weir-purged";
/// See [`PURGED_HEADER`].
pub const PURGED_SOFT: &str = "soft";

/// The longest body of a lookup, bytes.
pub const MAX_FIELDS: usize = 16 << 10;
/// The longest URL, bytes.
pub const MAX_URL: usize = 8 << 10;
/// The most tags of an object.
pub const MAX_TAGS: usize = 128;
/// The most names that an object varies by.
pub const MAX_VARY_NAMES: usize = 16;
/// The longest [`Vary`], bytes.
pub const MAX_VARY: usize = 1 << 10;
/// The fewest and the most digits of a key.
pub const KEY_DIGITS: std::ops::RangeInclusive<usize> = 32..=128;
/// The longest wait of a lookup, milliseconds.
pub const MAX_WAIT_MS: u64 = 30_000;
/// The longest that an object is kept, milliseconds: seven days. A longer [`TTL_HEADER`] counts as this.
pub const MAX_TTL_MS: u64 = 7 * 24 * 3_600 * 1_000;
/// The longest that a hit for miss is remembered, milliseconds. A longer one counts as this.
pub const MAX_HIT_FOR_MISS_MS: u64 = 3_600_000;
/// The largest revision: numbers up to here are exact in whatever reads JSON.
pub const MAX_REVISION: u64 = (1 << 53) - 1;

/// What the status of a lookup's answer says.
pub mod status {
    /// The body is the object.
    pub const HIT: u16 = 200;
    /// Nothing there. With a lease: fill it. Without one: go on alone.
    pub const MISS: u16 = 404;
    /// Another caller fills, and has not finished in time: go on alone.
    pub const BUSY: u16 = 409;
    /// The answer to this can't be stored, as was found lately: go on alone.
    pub const HIT_FOR_MISS: u16 = 410;
    /// The tier can't reach its store: go on alone.
    pub const UNAVAILABLE: u16 = 503;
}

/// What stands in [`TAGS_HEADER`] for a tag. Two tags with one hash are purged together, which costs a fill and no more.
pub fn surrogate(tag: &[u8]) -> u64 {
    hash64(tag)
}

/// [`TAGS_HEADER`] for these tags.
pub fn tags_value<'a>(tags: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut value = String::new();
    for tag in tags {
        if !value.is_empty() {
            value.push(',');
        }
        push_digits(&mut value, surrogate(tag));
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_sixteen_digits_between_commas() {
        let value = tags_value([&b"product-1"[..], b"shop"]);
        let expected = format!("{:016x},{:016x}", surrogate(b"product-1"), surrogate(b"shop"));
        assert_eq!(value, expected);
        assert_eq!(tags_value([]), "");
        assert_ne!(surrogate(b"a"), surrogate(b"b"));
    }

    /// What lies in a store must be found by every later release.
    #[test]
    fn hashes_never_change() {
        assert_eq!(surrogate(b""), 0x2d06_8005_38d3_94c2);
        assert_eq!(tags_value([&b"a"[..]]), "e6c632b61e964e1f");
    }
}
