//! Answers made of what is stored.

use crate::cache_status::{CacheStatus, FwdReason};
use crate::conditional::{self, Compare};
use crate::freshness::second;
use crate::head::Head;
use crate::headers::Headers;
use crate::object::Encoding;
use crate::request::{CacheRequest, Method};
use crate::rules::CacheRules;
use crate::text::{Backslash, MAX_SECONDS, push_number};

/// Fields that describe a body, which a 304 has none of (RFC 9110 section 15.4.5).
const OF_THE_BODY: [&[u8]; 4] = [
    b"content-type",
    b"content-encoding",
    b"content-language",
    b"content-range",
];

/// A stored body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoredBody {
    /// How long it is in the store.
    pub bytes: u64,
    /// How it is stored.
    pub encoding: Encoding,
}

impl StoredBody {
    /// How long it is as it came.
    pub const fn identity_len(self) -> u64 {
        match self.encoding {
            Encoding::Identity => self.bytes,
            Encoding::Zlib { identity_len } => identity_len,
        }
    }
}

/// How an answer comes to be made of what is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hit {
    /// Now.
    pub now_ms: u64,
    /// Where it was found.
    pub tier: Tier,
    /// What the origin had to do with it.
    pub source: Source,
    /// The request waited for another's answer, and this is it.
    pub collapsed: bool,
}

/// Where a stored response was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tier {
    /// In the worker's own memory.
    Memory,
    /// In the memory that all workers of the proxy share.
    Shared,
    /// In the tier that all proxies share.
    Tier2,
}

impl Tier {
    /// The tier as `Cache-Status` and metrics name it.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Shared => "shared",
            Self::Tier2 => "tier2",
        }
    }
}

/// What the origin had to do with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Nothing.
    Hit,
    /// It confirmed the stored response.
    Validated,
    /// It failed, so the stale response has to do.
    StaleOnError {
        /// Its status, if it answered.
        fwd_status: Option<u16>,
    },
}

/// An answer for a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The fields, without `Content-Length`, which follows from the body.
    pub headers: Headers,
    /// What of the stored body is sent. For HEAD, it is what GET would get: the host counts it and leaves it out.
    pub body: BodyPart,
}

/// What of a stored body is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BodyPart {
    /// Nothing.
    None,
    /// All, as it came from the origin: what is compressed in store is decompressed.
    Whole,
    /// All, in gzip: what is compressed in store gets another frame.
    Gzip,
    /// From here to there (not counted) of what came from the origin.
    Range {
        /// The first byte.
        from: u64,
        /// The byte after the last.
        to: u64,
    },
}

impl CacheRules {
    /// The answer to `request` that a stored response makes (RFC 9111 section 4; conditions: section 4.3.2, ranges: RFC 9110
    /// section 14).
    pub fn answer(&self, request: &CacheRequest, head: &Head, stored: StoredBody, hit: &Hit) -> Answer {
        let ranged = request.range().filter(|_| request.range_holds(head));
        let is_zlib = matches!(stored.encoding, Encoding::Zlib { .. });
        let gzip = is_zlib && ranged.is_none() && request.accepts_gzip();
        let mut answer = Answer {
            status: head.status,
            headers: self.served(head),
            body: if gzip { BodyPart::Gzip } else { BodyPart::Whole },
        };
        if is_zlib {
            negotiate(&mut answer.headers, head, gzip);
        }
        if let Some(etag) = unmodified(request, head, is_zlib, gzip) {
            answer.not_modified(etag);
        } else if let Some(range) = ranged {
            match head.part {
                Some(part) => {
                    let found = part.within(range);
                    answer.partial(found, part.first, part.total);
                }
                None if head.status == 200 => {
                    let length = stored.identity_len();
                    answer.partial(range.within(length), 0, length);
                }
                None => {}
            }
        }
        self.tell(&mut answer.headers, head, hit);
        answer
    }

    fn tell(&self, headers: &mut Headers, head: &Head, hit: &Hit) {
        let mut age = Vec::new();
        push_number(&mut age, (head.age_ms(hit.now_ms) / 1000).min(MAX_SECONDS));
        headers.set("age", &age);
        self.tell_cdn(headers, head);
        let status = self.status_of(head, hit);
        headers.push(b"cache-status", &status.to_bytes());
    }

    fn status_of(&self, head: &Head, hit: &Hit) -> CacheStatus<'static> {
        let told = CacheStatus {
            ttl_ms: Some(head.fresh_left_ms(hit.now_ms)),
            version: Some(self.policy().key.version),
            collapsed: hit.collapsed,
            detail: Some(hit.tier.label()),
            ..CacheStatus::default()
        };
        match hit.source {
            Source::Hit => CacheStatus { hit: true, ..told },
            Source::Validated => CacheStatus {
                fwd: Some(FwdReason::Stale),
                fwd_status: Some(304),
                ..told
            },
            Source::StaleOnError { fwd_status } => CacheStatus {
                fwd: Some(FwdReason::Stale),
                fwd_status,
                detail: Some("stale-if-error"),
                ..told
            },
        }
    }
}

impl Answer {
    /// 504: the client wants an answer of the cache's alone, and there is none (RFC 9111 section 5.2.1.7).
    pub fn only_if_cached() -> Self {
        let status = CacheStatus {
            detail: Some("only-if-cached"),
            ..CacheStatus::default()
        };
        Self {
            status: 504,
            headers: [(&b"cache-status"[..], status.to_bytes())].into_iter().collect(),
            body: BodyPart::None,
        }
    }

    fn not_modified(&mut self, etag: Option<Vec<u8>>) {
        self.status = 304;
        self.body = BodyPart::None;
        self.headers.retain(|name, _| !OF_THE_BODY.contains(&name));
        if let Some(etag) = etag {
            self.headers.set("etag", &etag);
        }
    }

    /// A range, `first` bytes into a representation of `total`; none: there is nothing there.
    fn partial(&mut self, range: Option<(u64, u64)>, first: u64, total: u64) {
        let mut content_range = b"bytes ".to_vec();
        match range {
            Some((from, to)) => {
                self.status = 206;
                self.body = BodyPart::Range { from, to };
                push_number(&mut content_range, first.saturating_add(from));
                content_range.push(b'-');
                push_number(&mut content_range, first.saturating_add(to).saturating_sub(1));
            }
            None => {
                self.status = 416;
                self.body = BodyPart::None;
                self.headers.retain(|name, _| !OF_THE_BODY.contains(&name));
                content_range.push(b'*');
            }
        }
        content_range.push(b'/');
        push_number(&mut content_range, total);
        self.headers.set("content-range", &content_range);
    }
}

/// What is compressed in store is two representations, each with a tag of its own (RFC 9110 section 8.8.3.3).
fn negotiate(headers: &mut Headers, head: &Head, gzip: bool) {
    let mut varies = headers.items("vary", Backslash::Plain);
    if !varies.any(|name| name.eq_ignore_ascii_case(b"accept-encoding")) {
        headers.push(b"vary", b"accept-encoding");
    }
    if !gzip {
        return;
    }
    headers.set("content-encoding", b"gzip");
    if let Some(etag) = head.etag() {
        match conditional::gzipped(etag) {
            Some(etag) => headers.set("etag", &etag),
            None => headers.remove("etag"),
        }
    }
}

/// Whether what the client has is what is stored (RFC 9111 section 4.3.2), and the tag of the representation that it has.
/// `If-None-Match` goes before `If-Modified-Since`. Of what is compressed in store, either representation will do.
fn unmodified(request: &CacheRequest, head: &Head, is_zlib: bool, gzip: bool) -> Option<Option<Vec<u8>>> {
    let readable = matches!(request.method, Method::Get | Method::Head);
    if !readable || !(200..300).contains(&head.status) || head.part.is_some() {
        return None;
    }
    let Some(since) = request
        .headers
        .get("if-modified-since")
        .filter(|_| !has_tags(request))
    else {
        return matching_tag(request, head, is_zlib, gzip);
    };
    let date = head.headers.get("date");
    let unmodified = conditional::unmodified(since, head.last_modified(), date, second(head.response_ms));
    unmodified.then_some(None)
}

fn has_tags(request: &CacheRequest) -> bool {
    request.headers.get("if-none-match").is_some()
}

fn matching_tag(request: &CacheRequest, head: &Head, is_zlib: bool, gzip: bool) -> Option<Option<Vec<u8>>> {
    let identity = head.etag().map(<[u8]>::to_vec);
    let zipped = head.etag().filter(|_| is_zlib).and_then(conditional::gzipped);
    let mut own_first = [identity, zipped];
    if gzip {
        own_first.reverse();
    }
    for tag in own_first.into_iter().flatten() {
        if request.any_none_match(|item| Compare::Weak.same(item, &tag)) {
            return Some(Some(tag));
        }
    }
    // `*` is any, also one without a tag.
    request.any_none_match(|_| false).then_some(None)
}
