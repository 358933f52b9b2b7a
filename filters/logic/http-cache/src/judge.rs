//! Whether a response is stored (RFC 9111 section 3).

use crate::ask::is_event_stream;
use crate::date;
use crate::directives::{Directives, Told, told};
use crate::freshness::{Lifetime, initial_age_ms, is_cacheable_by_default, stated_s};
use crate::head::Head;
use crate::headers::Headers;
use crate::range::Part;
use crate::request::{CacheRequest, Method};
use crate::rules::CacheRules;
use crate::stored;
use crate::text::{begins_with, cut, number, trim};
use crate::url::same_origin;
use crate::vary::VaryRule;

/// Why a response is not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotStored {
    /// `no-store`
    NoStore,
    /// `private`
    Private,
    /// It sets a cookie, and the policy does not say that such are stored.
    SetCookie,
    /// The request had `Authorization`, and nothing says that the response is for all.
    Authorization,
    /// `Vary: *`
    VaryStar,
    /// A status that is never stored, or that is not understood though it must be.
    Status,
    /// It is stale from the start and can't be validated, or a rule says that it is not stored.
    NoLifetime,
    /// A part that can't be used by itself.
    Partial,
    /// gRPC.
    Grpc,
    /// An event stream.
    EventStream,
    /// It has trailers.
    Trailers,
    /// It is longer than the policy allows.
    TooLarge,
    /// More than 64 tags, or more than 4 KiB of them.
    TooManyTags,
    /// The answer to a HEAD request or to an unsafe one that is not for GET as well.
    Method,
}

impl NotStored {
    /// The reason as a metric's label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::NoStore => "no_store",
            Self::Private => "private",
            Self::SetCookie => "set_cookie",
            Self::Authorization => "authorization",
            Self::VaryStar => "vary_star",
            Self::Status => "status",
            Self::NoLifetime => "no_lifetime",
            Self::Partial => "partial",
            Self::Grpc => "grpc",
            Self::EventStream => "event_stream",
            Self::Trailers => "trailers",
            Self::TooLarge => "too_large",
            Self::TooManyTags => "too_many_tags",
            Self::Method => "method",
        }
    }
}

/// A response as it came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen<'s> {
    pub(crate) request: &'s CacheRequest,
    pub(crate) status: u16,
    pub(crate) headers: &'s Headers,
    pub(crate) request_ms: u64,
    pub(crate) response_ms: u64,
}

impl CacheRules {
    /// Whether the response to `request` is stored, and what of it. `request_ms` and `response_ms`: when the request was
    /// sent and the response's head came.
    pub fn judge(
        &self,
        request: &CacheRequest,
        status: u16,
        headers: &Headers,
        request_ms: u64,
        response_ms: u64,
    ) -> Result<Head, NotStored> {
        let seen = Seen {
            request,
            status,
            headers,
            request_ms,
            response_ms,
        };
        let told = told(headers, &self.policy().targets);
        match request.method {
            Method::Get => {}
            Method::Post if self.is_for_get(&seen, &told) => {}
            Method::Head | Method::Post | Method::Other => return Err(NotStored::Method),
        }
        self.assess(&seen, &told)
    }

    /// Whether the response to a POST request is what GET would get (RFC 9110 section 9.3.3).
    fn is_for_get(&self, seen: &Seen<'_>, told: &Told) -> bool {
        let location = seen.headers.get("content-location");
        let same = |location| same_origin(seen.request.base(), location, self.query());
        seen.status == 200
            && location
                .and_then(same)
                .is_some_and(|url| url == seen.request.url())
            && stated_s(told, seen.headers, seen.response_ms).is_some()
    }

    /// As [`CacheRules::judge`], whatever the method.
    pub(crate) fn assess(&self, seen: &Seen<'_>, told: &Told) -> Result<Head, NotStored> {
        let directives = &told.directives;
        check_kind(seen)?;
        check_directives(seen.status, directives)?;
        self.check_owner(seen, directives)?;
        let vary = self.vary(seen.headers)?;
        let part = part(seen)?;
        let lifetime = self.lifetime(seen, told);
        let replaced = matches!(lifetime, Lifetime::Replaced(_));
        let mut head = Head {
            status: seen.status,
            headers: stored::fields(seen, &directives.without),
            response_ms: seen.response_ms,
            initial_age_ms: initial_age_ms(seen.headers, seen.request_ms, seen.response_ms),
            always_validate: directives.no_cache && !replaced,
            forbids_stale: directives.forbids_stale(),
            immutable: directives.immutable,
            shared_authorized: directives.allows_authorized(),
            tags: self.tags(seen.headers)?,
            vary,
            part,
            ..Head::default()
        };
        self.set_times(&mut head, lifetime, directives)?;
        head.compressible = self.is_compressible(&head, directives);
        if head.compressible {
            // The store has it both ways.
            head.vary.remove(b"accept-encoding");
        }
        Ok(head)
    }

    /// Lifetime and stale windows (RFC 5861); with them, whether the response can ever be of use.
    fn set_times(&self, head: &mut Head, lifetime: Lifetime, told: &Directives) -> Result<(), NotStored> {
        let stale = self.policy().stale;
        let window =
            |said: Option<u64>, unsaid: u64| said.map_or(unsaid, |seconds| seconds.saturating_mul(1000));
        if !head.forbids_stale {
            head.while_revalidate_ms = window(told.while_revalidate, stale.while_revalidate_ms);
            head.if_error_ms = window(told.if_error, stale.if_error_ms);
        }
        match lifetime {
            Lifetime::Stated(ms) | Lifetime::Replaced(ms) => head.lifetime_ms = ms,
            Lifetime::Never => return Err(NotStored::NoLifetime),
            Lifetime::Unknown => {
                // Worth storing to be validated, if it may be stored at all; nobody has said that it may be served before.
                let storable = is_cacheable_by_default(head.status) || told.public || told.no_cache;
                if !storable || head.part.is_some() {
                    return Err(NotStored::NoLifetime);
                }
                head.while_revalidate_ms = window(told.while_revalidate, 0);
                return head.has_validator().then_some(()).ok_or(NotStored::NoLifetime);
            }
        }
        let usable = !head.always_validate && head.kept_until_ms() > head.response_ms;
        (usable || head.has_validator())
            .then_some(())
            .ok_or(NotStored::NoLifetime)
    }

    /// Whose the response is: a cookie or credentials make it one client's.
    fn check_owner(&self, seen: &Seen<'_>, told: &Directives) -> Result<(), NotStored> {
        let dropped = |name: &[u8]| told.without.iter().any(|field| field == name);
        let sets_cookie = seen.headers.get("set-cookie").is_some() && !dropped(b"set-cookie");
        if sets_cookie && !self.policy().store_set_cookie {
            return Err(NotStored::SetCookie);
        }
        if seen.request.has_authorization() && !told.allows_authorized() {
            return Err(NotStored::Authorization);
        }
        let length = seen
            .headers
            .get("content-length")
            .and_then(|length| number(trim(length)));
        if length.is_some_and(|length| length > self.policy().limits.object_bytes) {
            return Err(NotStored::TooLarge);
        }
        Ok(())
    }

    /// What it varies by. An answer for one origin's scripts alone varies by `Origin`, said or not (Fetch standard, "CORS
    /// protocol and HTTP caches").
    fn vary(&self, headers: &Headers) -> Result<VaryRule, NotStored> {
        let mut vary = VaryRule::of(headers, &self.policy().vary_ignore).ok_or(NotStored::VaryStar)?;
        if headers
            .values("access-control-allow-origin")
            .any(|origin| trim(origin) != b"*")
        {
            vary.add(b"origin".to_vec());
        }
        Ok(vary)
    }

    /// Whether the store should compress a body of this length.
    pub fn compresses(&self, head: &Head, body_bytes: u64) -> bool {
        let compress = self.policy().compress.as_ref();
        head.compressible && compress.is_some_and(|compress| body_bytes >= compress.min_bytes)
    }

    fn is_compressible(&self, head: &Head, told: &Directives) -> bool {
        let Some(compress) = &self.policy().compress else {
            return false;
        };
        let (media_type, _) = cut(head.headers.get("content-type").unwrap_or_default(), b';');
        let media_type = trim(media_type).to_ascii_lowercase();
        let taken = |pattern: &String| match pattern.strip_suffix('*') {
            Some(prefix) => media_type.starts_with(prefix.as_bytes()),
            None => pattern.as_bytes() == media_type,
        };
        head.status == 200
            && !told.no_transform
            && head.headers.get("content-encoding").is_none()
            && head.headers.get("content-range").is_none()
            && compress.types.iter().any(taken)
    }
}

/// Responses that are never stored, whatever they say.
fn check_kind(seen: &Seen<'_>) -> Result<(), NotStored> {
    // What these say is of the request's own conditions, or of no response at all.
    if !(200..600).contains(&seen.status) || matches!(seen.status, 304 | 412 | 416 | 417) {
        return Err(NotStored::Status);
    }
    let media_type = seen.headers.get("content-type").unwrap_or_default();
    if begins_with(media_type, b"application/grpc") {
        return Err(NotStored::Grpc);
    }
    if is_event_stream(media_type) {
        return Err(NotStored::EventStream);
    }
    if seen.headers.get("trailer").is_some() {
        return Err(NotStored::Trailers);
    }
    Ok(())
}

/// `no-store`, `private`, `must-understand` (RFC 9111 sections 5.2.2.3, 5.2.2.5, 5.2.2.7).
fn check_directives(status: u16, told: &Directives) -> Result<(), NotStored> {
    if told.must_understand && !is_understood(status) {
        return Err(NotStored::Status);
    }
    if told.no_store && !told.must_understand {
        return Err(NotStored::NoStore);
    }
    if told.private {
        return Err(NotStored::Private);
    }
    Ok(())
}

/// Statuses whose meaning for caches is known: those of RFC 9110 section 15.
fn is_understood(status: u16) -> bool {
    matches!(status, 200..=206 | 300..=305 | 307 | 308 | 400..=417 | 421 | 422 | 426 | 500..=505)
}

/// Of a 206 that answers one range: which part it is (RFC 9111 section 3.3).
fn part(seen: &Seen<'_>) -> Result<Option<Part>, NotStored> {
    if seen.status != 206 {
        return Ok(None);
    }
    let part = seen.headers.get("content-range").and_then(Part::parse);
    part.filter(|_| seen.request.range().is_some())
        .map(Some)
        .ok_or(NotStored::Partial)
}

/// The `Date` of a response that has none is when it came (RFC 9110 section 6.6.1).
pub(crate) fn add_date(headers: &mut Headers, response_ms: u64) {
    if headers.get("date").is_none() {
        headers.push(b"date", &date::format(response_ms / 1000));
    }
}
