//! Asking the origin whether what is stored is still the one (RFC 9111 section 4.3).

use crate::directives::told;
use crate::freshness::initial_age_ms;
use crate::head::Head;
use crate::headers::Headers;
use crate::judge::{NotStored, Seen};
use crate::request::CacheRequest;
use crate::rules::CacheRules;
use crate::stored::{self, is_hop_by_hop, listed_by_connection};
use crate::text::{number, trim};

/// The request fields that make an answer depend on what the client has already.
pub const CONDITIONAL_FIELDS: [&str; 6] = [
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-range",
    "if-unmodified-since",
    "range",
];

/// Fields that describe the stored body, so no 304 changes them (RFC 9111 section 3.2).
const OF_THE_BODY: [&[u8]; 4] = [
    b"content-encoding",
    b"content-length",
    b"content-md5",
    b"content-range",
];

/// A stored response after the origin has confirmed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Updated {
    /// It stays in store so.
    Keep(Head),
    /// It answers the request that asked, and goes: it is no longer one that may be stored.
    Once(Head, NotStored),
}

impl CacheRequest {
    /// The conditions by which the origin can confirm a stored response (RFC 9111 section 4.3.1).
    pub fn validators(&self, head: &Head) -> Headers {
        let tag = head.etag().map(|etag| ("if-none-match", etag));
        let date = head.last_modified().map(|date| ("if-modified-since", date));
        tag.into_iter().chain(date).collect()
    }

    /// A GET request for the whole response, whatever part or condition the client has.
    pub fn fetch_headers(&self) -> Headers {
        let mut headers = self.end_to_end();
        if headers.get(":method") != Some(b"GET") {
            let rest = headers.clone();
            let others = rest.iter().filter(|(name, _)| *name != b":method");
            headers = [(&b":method"[..], &b"GET"[..])]
                .into_iter()
                .chain(others)
                .collect();
        }
        headers
    }

    /// The client's request without what concerns its connection, and without its conditions.
    pub fn end_to_end(&self) -> Headers {
        let listed = listed_by_connection(&self.headers);
        let conditional = |name: &[u8]| CONDITIONAL_FIELDS.iter().any(|field| field.as_bytes() == name);
        let of_weir = |name: &[u8]| name.starts_with(b"x-weir-");
        let kept = self.headers.iter().filter(|(name, value)| {
            let pseudo = name.starts_with(b":");
            let hop = is_hop_by_hop(name) || listed.iter().any(|known| known == name);
            let only_cached =
                *name == b"cache-control" && self.directives.only_if_cached && !value.is_empty();
            pseudo || !(hop || conditional(name) || of_weir(name) || only_cached)
        });
        kept.collect()
    }
}

impl CacheRules {
    /// What a stored response becomes by a 304 to a request with its [`CacheRequest::validators`] (RFC 9111 sections 3.2, 4.3.3
    /// and 4.3.4). That request names one stored response alone, so a 304 confirms it, also where it carries
    /// another entity tag, as some servers write; the stored tag stays.
    pub fn update(
        &self,
        request: &CacheRequest,
        head: &Head,
        headers: &Headers,
        request_ms: u64,
        response_ms: u64,
    ) -> Updated {
        let merged = self.merged(head, headers);
        let seen = Seen {
            request,
            status: head.status,
            headers: &merged,
            request_ms,
            response_ms,
        };
        match self.assess(&seen, &told(&merged, &self.policy().targets)) {
            Ok(updated) => Updated::Keep(self.as_it_was(head, headers, updated)),
            Err(why) => {
                let once = Head {
                    headers: stored::fields(&seen, &[]),
                    response_ms,
                    initial_age_ms: initial_age_ms(&merged, request_ms, response_ms),
                    ..head.clone()
                };
                Updated::Once(once, why)
            }
        }
    }

    /// What a stored response becomes by a 200 to a HEAD request (RFC 9111 section 4.3.5); `body_bytes` is the length of its
    /// body as it came. None: the origin has another by now, the stored one is out of date.
    pub fn freshened_by_head(
        &self,
        request: &CacheRequest,
        head: &Head,
        headers: &Headers,
        body_bytes: u64,
        (request_ms, response_ms): (u64, u64),
    ) -> Option<Head> {
        let same = |name: &str| match (headers.get(name), head.headers.get(name)) {
            (Some(new), Some(old)) => new == old,
            _ => true,
        };
        let length = headers
            .get("content-length")
            .and_then(|length| number(trim(length)));
        let is_same =
            same("etag") && same("last-modified") && length.is_none_or(|length| length == body_bytes);
        if !is_same || head.status != 200 {
            return None;
        }
        match self.update(request, head, headers, request_ms, response_ms) {
            Updated::Keep(head) => Some(head),
            Updated::Once(..) => None,
        }
    }

    /// The stored fields, with those of `headers` in place of theirs.
    fn merged(&self, head: &Head, headers: &Headers) -> Headers {
        let listed = listed_by_connection(headers);
        let replaces = |name: &[u8]| {
            let hop = (is_hop_by_hop(name) && name != b"age") || listed.iter().any(|known| known == name);
            let tag = name == b"etag" && head.etag().is_some();
            let cookie = name == b"set-cookie" && !self.policy().store_set_cookie;
            !(hop || tag || cookie || OF_THE_BODY.contains(&name))
        };
        let new: Headers = headers.iter().filter(|(name, _)| replaces(name)).collect();
        // Without a `Date` of its own, the response is as old as its coming.
        let replaced = |name: &[u8]| name == b"date" || new.iter().any(|(known, _)| known == name);
        let old = head.headers.iter().filter(|(name, _)| !replaced(name));
        old.chain(new.iter()).collect()
    }

    /// What a 304 can't say anew: the body that is stored, and how.
    fn as_it_was(&self, head: &Head, headers: &Headers, updated: Head) -> Head {
        let names = &self.policy().tags.headers;
        let retagged = names.iter().any(|name| headers.get(name).is_some());
        Head {
            part: head.part,
            tags: if retagged { updated.tags } else { head.tags.clone() },
            ..updated
        }
    }
}
