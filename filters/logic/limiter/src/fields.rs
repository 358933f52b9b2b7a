//! What clients are told of their quotas: `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers, 2025),
//! and the older `X-RateLimit-*`.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::key::Fingerprint;

const NANOS: u64 = 1_000_000_000;

/// Header fields, ready to be written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields {
    /// `RateLimit-Policy`: `"client";q=100;w=60`, one item for each limit.
    pub policy: String,
    /// `RateLimit`: `"client";r=50;t=30`.
    pub limit: String,
    /// The older fields, of the limit that is nearest to its end.
    pub legacy: Option<Legacy>,
}

/// `X-RateLimit-Limit`, `X-RateLimit-Remaining`, `X-RateLimit-Reset`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Legacy {
    /// How many there may be.
    pub limit: u64,
    /// How many are left.
    pub remaining: u64,
    /// Seconds until all are back.
    pub reset_s: u64,
}

/// What the fields say of one limit.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told<'l> {
    pub(crate) name: &'l str,
    pub(crate) quota: u64,
    /// Seconds; none for a quota of requests under way.
    pub(crate) window_s: Option<u64>,
    /// The client's key, of which a part is told; none where all clients are counted together.
    pub(crate) key: Option<Fingerprint>,
    pub(crate) remaining: u64,
    /// Seconds until all is back.
    pub(crate) reset_s: u64,
}

impl Fields {
    /// Adds a limit. Names are those of documents: nothing in them needs to be escaped.
    pub(crate) fn tell(&mut self, told: &Told<'_>, legacy: bool) {
        let comma = if self.policy.is_empty() { "" } else { ", " };
        // Writing to a string can't fail.
        let _ = write!(self.policy, "{comma}\"{}\";q={}", told.name, told.quota);
        match told.window_s {
            Some(window) => _ = write!(self.policy, ";w={window}"),
            None => self.policy.push_str(";qu=\"concurrent-requests\""),
        }
        if let Some(key) = told.key {
            self.policy.push_str(";pk=:");
            // The lower half: enough to tell a client's partitions apart, and it says nothing of the bucket that they are in.
            let [.., a, b, c, d] = key.0.to_be_bytes();
            STANDARD.encode_string([a, b, c, d], &mut self.policy);
            self.policy.push(':');
        }
        let Told {
            remaining, reset_s, ..
        } = *told;
        let _ = write!(self.limit, "{comma}\"{}\";r={remaining};t={reset_s}", told.name);
        if legacy {
            self.tell_legacy(Legacy {
                limit: told.quota,
                remaining,
                reset_s,
            });
        }
    }

    fn tell_legacy(&mut self, found: Legacy) {
        let nearer = |known: Legacy| {
            u128::from(found.remaining) * u128::from(known.limit)
                < u128::from(known.remaining) * u128::from(found.limit)
        };
        if self.legacy.is_none_or(nearer) {
            self.legacy = Some(found);
        }
    }
}

/// Whole seconds, never too few.
pub(crate) fn seconds(nanos: u64) -> u64 {
    nanos.div_ceil(NANOS)
}
