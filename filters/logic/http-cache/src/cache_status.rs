//! `Cache-Status` (RFC 9211): what a cache tells of how it dealt with a request.

use crate::text::push_number;

/// The name by which this cache goes.
const CACHE: &str = "weir";
/// More than most members have.
const USUAL_BYTES: usize = 96;

/// Why a request went on to the origin (RFC 9211 section 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FwdReason {
    /// The cache was not asked.
    Bypass,
    /// The method.
    Method,
    /// Nothing is stored for the URL.
    UriMiss,
    /// Other variants are stored.
    VaryMiss,
    /// Nothing is stored, or it is not known which of the two it was.
    Miss,
    /// What is stored is fresh, but the client wants the origin to be asked.
    Request,
    /// What is stored is stale.
    Stale,
    /// Part of what is asked for is stored.
    Partial,
}

impl FwdReason {
    /// The reason as the field writes it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Bypass => "bypass",
            Self::Method => "method",
            Self::UriMiss => "uri-miss",
            Self::VaryMiss => "vary-miss",
            Self::Miss => "miss",
            Self::Request => "request",
            Self::Stale => "stale",
            Self::Partial => "partial",
        }
    }
}

/// One member of the field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct CacheStatus<'s> {
    /// None: it did not.
    pub(crate) fwd: Option<FwdReason>,
    pub(crate) hit: bool,
    pub(crate) fwd_status: Option<u16>,
    pub(crate) ttl_ms: Option<i64>,
    pub(crate) stored: bool,
    pub(crate) collapsed: bool,
    /// The version of the keys.
    pub(crate) version: Option<u32>,
    pub(crate) detail: Option<&'s str>,
}

impl CacheStatus<'_> {
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        let mut text = Vec::with_capacity(USUAL_BYTES);
        text.extend_from_slice(CACHE.as_bytes());
        if self.hit {
            text.extend_from_slice(b"; hit");
        }
        if let Some(fwd) = self.fwd {
            text.extend_from_slice(b"; fwd=");
            text.extend_from_slice(fwd.label().as_bytes());
        }
        if let Some(status) = self.fwd_status {
            push_integer(&mut text, "fwd-status", status.into());
        }
        if let Some(ttl) = self.ttl_ms {
            push_integer(&mut text, "ttl", ttl.div_euclid(1000));
        }
        for (flag, holds) in [("stored", self.stored), ("collapsed", self.collapsed)] {
            if holds {
                text.extend_from_slice(b"; ");
                text.extend_from_slice(flag.as_bytes());
            }
        }
        if let Some(version) = self.version {
            text.extend_from_slice(b"; key=\"v");
            push_number(&mut text, version.into());
            text.push(b'"');
        }
        if let Some(detail) = self.detail {
            text.extend_from_slice(b"; detail=\"");
            text.extend(
                detail
                    .bytes()
                    .filter(|byte| matches!(byte, b' '..=b'~') && !b"\"\\".contains(byte)),
            );
            text.push(b'"');
        }
        text
    }
}

fn push_integer(text: &mut Vec<u8>, key: &str, value: i64) {
    text.extend_from_slice(b"; ");
    text.extend_from_slice(key.as_bytes());
    text.extend_from_slice(if value < 0 { b"=-" } else { b"=" });
    push_number(text, value.unsigned_abs());
}
