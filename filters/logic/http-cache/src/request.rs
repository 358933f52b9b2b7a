//! A request that the cache may answer.

use crate::conditional;
use crate::freshness::second;
use crate::head::Head;
use crate::headers::Headers;
use crate::key::CacheKey;
use crate::range::ByteRange;
use crate::text::{Backslash, begins_with, cut, seconds, trim, unquoted};
use crate::url::{Base, Scheme};

/// A request, with all that is needed of it once its headers are out of reach.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheRequest {
    /// Under which its answer is stored.
    pub key: CacheKey,
    /// Where in the key's text the URL is: authority, path, query.
    pub(crate) url_at: usize,
    /// The method.
    pub method: Method,
    /// How the client wants to be answered.
    pub directives: RequestDirectives,
    /// All its headers, pseudo-headers among them.
    pub headers: Headers,
    /// The policy's lifetime rules that are for it, by index.
    pub(crate) ttl_rules: Vec<usize>,
}

/// The method, as far as a cache tells methods apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Method {
    /// GET
    #[default]
    Get,
    /// HEAD: answered by what is stored for GET.
    Head,
    /// POST: its answer may be one for GET (RFC 9110 section 9.3.3).
    Post,
    /// Any other that is not known to be safe.
    Other,
}

/// How a client wants to be answered (RFC 9111 section 5.2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestDirectives {
    /// Not without asking the origin.
    pub no_cache: bool,
    /// Nothing of it is to be stored.
    pub no_store: bool,
    /// With nothing older, in seconds.
    pub max_age_s: Option<u64>,
    /// With what is fresh for so many seconds yet.
    pub min_fresh_s: Option<u64>,
    /// With what is stale for so many seconds at most; `u64::MAX`: for however many.
    pub max_stale_s: Option<u64>,
    /// By the cache or not at all.
    pub only_if_cached: bool,
}

impl RequestDirectives {
    /// Of a request; `Pragma` counts where there is no `Cache-Control` (RFC 9111 section 5.4).
    pub(crate) fn of(request: &Headers) -> Self {
        let mut directives = Self::default();
        if request.get("cache-control").is_none() {
            let mut pragmas = request.items("pragma", Backslash::Escapes);
            directives.no_cache = pragmas.any(|item| item.eq_ignore_ascii_case(b"no-cache"));
        }
        for item in request.items("cache-control", Backslash::Escapes) {
            directives.take(item);
        }
        directives
    }

    fn take(&mut self, directive: &[u8]) {
        let (name, value) = cut(directive, b'=');
        let number = value.map(unquoted).and_then(seconds);
        match name.to_ascii_lowercase().as_slice() {
            b"no-cache" => self.no_cache = true,
            b"no-store" => self.no_store = true,
            b"only-if-cached" => self.only_if_cached = true,
            b"max-age" => self.max_age_s = self.max_age_s.or(number),
            b"min-fresh" => self.min_fresh_s = self.min_fresh_s.or(number),
            b"max-stale" if value.is_none() => self.max_stale_s = Some(u64::MAX),
            b"max-stale" => self.max_stale_s = self.max_stale_s.or(number),
            _ => {}
        }
    }
}

impl CacheRequest {
    /// What purges call it: authority, path and the parameters that count, in canonical form.
    pub fn url(&self) -> Vec<u8> {
        self.key.parts(self.url_at, 3)
    }

    /// Whether it is a HEAD request.
    pub fn is_head(&self) -> bool {
        self.method == Method::Head
    }

    /// Whether the client has a copy and asks for what is newer.
    pub fn is_conditional(&self) -> bool {
        self.headers.get("if-none-match").is_some() || self.headers.get("if-modified-since").is_some()
    }

    /// Whether a part is asked for.
    pub fn has_range(&self) -> bool {
        self.method == Method::Get && self.headers.get("range").is_some()
    }

    /// The part that is asked for: one range of bytes, written as it has to be.
    pub(crate) fn range(&self) -> Option<ByteRange> {
        if !self.has_range() {
            return None;
        }
        let mut values = self.headers.values("range");
        ByteRange::parse(values.next()?).filter(|_| values.next().is_none())
    }

    /// Whether the client says who it is.
    pub fn has_authorization(&self) -> bool {
        self.headers.get("authorization").is_some()
    }

    /// Whether the client takes gzip (RFC 9110 section 12.5.3).
    pub fn accepts_gzip(&self) -> bool {
        let mut accepted = None;
        for item in self.headers.items("accept-encoding", Backslash::Plain) {
            let (coding, parameters) = cut(item, b';');
            let coding = trim(coding);
            let named = coding.eq_ignore_ascii_case(b"gzip") || coding.eq_ignore_ascii_case(b"x-gzip");
            if named || (coding == b"*" && accepted.is_none()) {
                accepted = Some(parameters.is_none_or(|weight| !is_zero(trim(weight))));
            }
            if named {
                break;
            }
        }
        accepted.unwrap_or(false)
    }

    /// Whether `If-None-Match` names an entity tag that `is` the one meant, or any. An item that is no entity tag is compared
    /// as it is, since some servers write such.
    pub(crate) fn any_none_match(&self, is: impl Fn(&[u8]) -> bool) -> bool {
        let mut items = self.headers.items("if-none-match", Backslash::Plain);
        items.any(|item| item == b"*" || is(item))
    }

    /// Whether `If-Range`, if there is one, has the range that is asked for be of this response.
    pub(crate) fn range_holds(&self, head: &Head) -> bool {
        let Some(condition) = self.headers.get("if-range") else {
            return true;
        };
        let now = second(head.response_ms);
        conditional::if_range(
            condition,
            head.etag(),
            head.last_modified(),
            head.headers.get("date"),
            now,
        )
    }

    pub(crate) fn base(&self) -> Base<'_> {
        let scheme = self.headers.get(":scheme").and_then(Scheme::new);
        Base {
            scheme: scheme.unwrap_or_default(),
            authority: self.headers.get(":authority").unwrap_or_default(),
            target: self.headers.get(":path").unwrap_or_default(),
        }
    }
}

/// `q=0`, `q=0.000`
fn is_zero(weight: &[u8]) -> bool {
    begins_with(weight, b"q=0") && weight.iter().skip(2).all(|byte| matches!(byte, b'0' | b'.'))
}
