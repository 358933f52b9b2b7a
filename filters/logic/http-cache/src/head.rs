//! What is kept of a response beside its body.

use crate::headers::Headers;
use crate::range::Part;
use crate::vary::VaryRule;

/// A stored response without its body. Times are Unix milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The status.
    pub status: u16,
    /// The fields that are stored (RFC 9111 section 3.1).
    pub headers: Headers,
    /// When it came.
    pub response_ms: u64,
    /// How old it was then: `corrected_initial_age` (RFC 9111 section 4.2.3).
    pub initial_age_ms: u64,
    /// How old it may be and still be fresh: `freshness_lifetime` (RFC 9111 section 4.2.1).
    pub lifetime_ms: u64,
    /// For how long it may be served after that while a fresh one is fetched (RFC 5861 section 3).
    pub while_revalidate_ms: u64,
    /// For how long it may be served after that where the origin fails (RFC 5861 section 4).
    pub if_error_ms: u64,
    /// It is never served without asking the origin: `no-cache`.
    pub always_validate: bool,
    /// It is never served stale, whatever the client takes (RFC 9111 section 4.2.4).
    pub forbids_stale: bool,
    /// It does not change while it is fresh (RFC 8246).
    pub immutable: bool,
    /// It may answer requests with `Authorization` too (RFC 9111 section 3.5).
    pub shared_authorized: bool,
    /// The policy has bodies of its kind compressed.
    pub compressible: bool,
    /// The request headers that choose it.
    pub vary: VaryRule,
    /// Its tags.
    pub tags: Vec<Vec<u8>>,
    /// Of a 206: which part of the representation the body is.
    pub part: Option<Part>,
}

impl Head {
    /// Its entity tag.
    pub fn etag(&self) -> Option<&[u8]> {
        self.headers.get("etag")
    }

    /// When its content was last changed, as the origin wrote it.
    pub fn last_modified(&self) -> Option<&[u8]> {
        self.headers.get("last-modified")
    }

    /// Whether the origin can be asked if it is still the one (RFC 9111 section 4.3.1).
    pub fn has_validator(&self) -> bool {
        self.etag().is_some() || self.last_modified().is_some()
    }

    /// How old it is: `current_age` (RFC 9111 section 4.2.3).
    pub fn age_ms(&self, now_ms: u64) -> u64 {
        self.initial_age_ms
            .saturating_add(now_ms.saturating_sub(self.response_ms))
    }

    /// For how long it is fresh yet; negative: for how long it is stale already.
    pub fn fresh_left_ms(&self, now_ms: u64) -> i64 {
        let signed = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        signed(self.lifetime_ms).saturating_sub(signed(self.age_ms(now_ms)))
    }

    /// When the last of its uses without validation ends. One with a validator is worth keeping longer.
    pub fn kept_until_ms(&self) -> u64 {
        let longest = self.while_revalidate_ms.max(self.if_error_ms);
        let usable = self.lifetime_ms.saturating_add(longest);
        self.response_ms
            .saturating_add(usable.saturating_sub(self.initial_age_ms))
    }
}
