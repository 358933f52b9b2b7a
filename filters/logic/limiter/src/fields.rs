//! What clients are told of their quotas: `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers, 2025),
//! and the older `X-RateLimit-*`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::key::Fingerprint;

const NANOS: u64 = 1_000_000_000;
/// Room for an item of usual length, name and numbers.
const ITEM_BYTES: usize = 64;

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
        self.tell_policy(told);
        let Told {
            remaining, reset_s, ..
        } = *told;
        item(&mut self.limit, told.name, ";r=", remaining);
        parameter(&mut self.limit, ";t=", reset_s);
        if legacy {
            self.tell_legacy(Legacy {
                limit: told.quota,
                remaining,
                reset_s,
            });
        }
    }

    fn tell_policy(&mut self, told: &Told<'_>) {
        item(&mut self.policy, told.name, ";q=", told.quota);
        match told.window_s {
            Some(window) => parameter(&mut self.policy, ";w=", window),
            None => self.policy.push_str(";qu=\"concurrent-requests\""),
        }
        if let Some(key) = told.key {
            self.policy.push_str(";pk=:");
            // The lower half: enough to tell a client's partitions apart, and it says nothing of the bucket that they are in.
            let [.., a, b, c, d] = key.0.to_be_bytes();
            STANDARD.encode_string([a, b, c, d], &mut self.policy);
            self.policy.push(':');
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

/// One more item of a list, with its first parameter. Most lists have one, which is given its room at once.
fn item(list: &mut String, name: &str, label: &str, value: u64) {
    list.reserve(ITEM_BYTES);
    if !list.is_empty() {
        list.push_str(", ");
    }
    list.push('"');
    list.push_str(name);
    list.push('"');
    parameter(list, label, value);
}

/// A parameter whose value is a number. Without `write!`, which takes several times as long.
fn parameter(text: &mut String, label: &str, value: u64) {
    text.push_str(label);
    push_number(text, value);
}

fn push_number(text: &mut String, value: u64) {
    if value >= 10 {
        push_number(text, value / 10);
    }
    text.extend(char::from_digit((value % 10) as u32, 10));
}

/// Whole seconds, never too few.
pub(crate) fn seconds(nanos: u64) -> u64 {
    nanos.div_ceil(NANOS)
}
