//! What becomes of a request.

use weir_policy::compiled::edge_cache::CompiledCachePolicy;

use crate::headers::Headers;
use crate::key::{CacheKey, KeyText};
use crate::persisted;
use crate::request::{CacheRequest, Method, RequestDirectives};
use crate::rules::CacheRules;
use crate::text::begins_with;
use crate::url::{Query, Scheme, push_authority, push_path, push_query};
use crate::vary::normal;

/// What becomes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// It goes on, and nothing of it concerns the cache.
    Pass(Pass),
    /// It goes on and may change what is stored, see [`CacheRules::invalidated`].
    Unsafe(CacheRequest),
    /// The cache may have an answer.
    Lookup(CacheRequest),
}

/// Why a request passes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pass {
    /// A safe method other than GET and HEAD.
    Method,
    /// CONNECT or an upgrade: what follows is another protocol.
    Upgrade,
    /// gRPC.
    Grpc,
    /// An event stream is asked for.
    EventStream,
    /// It has a header that the policy names.
    BypassHeader,
    /// It has a cookie that the policy names.
    BypassCookie,
    /// The client wants nothing of it stored (RFC 9111 section 5.2.1.5).
    NoStore,
    /// It is for no persisted query, and the policy is for those alone.
    NotPersisted,
    /// GET or HEAD with a body, which would have to be part of the key.
    Body,
    /// It has no path or no authority.
    NoTarget,
}

impl Pass {
    /// The reason as a metric's label.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Method => "method",
            Self::Upgrade => "upgrade",
            Self::Grpc => "grpc",
            Self::EventStream => "event_stream",
            Self::BypassHeader => "bypass_header",
            Self::BypassCookie => "bypass_cookie",
            Self::NoStore => "no_store",
            Self::NotPersisted => "not_persisted",
            Self::Body => "body",
            Self::NoTarget => "no_target",
        }
    }
}

impl CacheRules {
    /// What becomes of a request, of which these are all headers.
    pub fn read(&self, request: Headers) -> Asked {
        let method = match method_of(&request) {
            Ok(method) => method,
            Err(pass) => return Asked::Pass(pass),
        };
        let directives = RequestDirectives::of(&request);
        if matches!(method, Method::Post | Method::Other) {
            return Asked::Unsafe(self.request(request, method, directives));
        }
        match pass(self.policy(), &request, directives) {
            Some(pass) => Asked::Pass(pass),
            None => Asked::Lookup(self.request(request, method, directives)),
        }
    }

    fn request(&self, headers: Headers, method: Method, directives: RequestDirectives) -> CacheRequest {
        let (key, url_at) = self.key(&headers);
        CacheRequest {
            key,
            url_at,
            method,
            directives,
            ttl_rules: self.ttl_rules(&headers),
            headers,
        }
    }

    /// Under which the answer to a request is stored (RFC 9111 section 2), and where in it the URL is: three parts. The
    /// scheme is part of it: what redirects to `https` must not answer there.
    fn key(&self, request: &Headers) -> (CacheKey, usize) {
        let policy = &self.policy().key;
        let scheme = request.get(":scheme").and_then(Scheme::new).unwrap_or_default();
        let target = request.get(":path").unwrap_or_default();
        let mut text = KeyText::new();
        text.part(&policy.version.to_le_bytes());
        text.part(match scheme {
            Scheme::Http => b"http",
            Scheme::Https => b"https",
        });
        self.shard_key(request, &mut text);
        let url_at = text.position();
        let authority = request.get(":authority").unwrap_or_default();
        text.made(|part| push_authority(part, Some(scheme), authority));
        text.made(|part| push_path(part, weir_route_match::path_of(target)));
        text.made(|part| push_query(part, target, self.query()));
        for name in &policy.headers {
            text.optional(normal(name.as_bytes(), request).as_deref());
        }
        (text.finish(), url_at)
    }

    pub(crate) fn query(&self) -> Query<'_> {
        Query {
            parameters: &self.policy().key.query,
            sort: self.policy().key.sort_query,
        }
    }
}

/// The method, or why the request passes whatever else it says. Safe are the methods that the IANA registry calls so.
fn method_of(request: &Headers) -> Result<Method, Pass> {
    let method = request.get(":method").unwrap_or_default();
    let upgrades = |value: &[u8]| {
        let mut items = value.split(|byte| *byte == b',');
        items.any(|item| item.trim_ascii().eq_ignore_ascii_case(b"upgrade"))
    };
    if method == b"CONNECT" || request.get("upgrade").is_some() || request.values("connection").any(upgrades)
    {
        return Err(Pass::Upgrade);
    }
    if request
        .get("content-type")
        .is_some_and(|value| begins_with(value, b"application/grpc"))
    {
        return Err(Pass::Grpc);
    }
    if request.get(":authority").is_none_or(<[u8]>::is_empty)
        || request.get(":path").is_none_or(<[u8]>::is_empty)
    {
        return Err(Pass::NoTarget);
    }
    match method {
        b"GET" => Ok(Method::Get),
        b"HEAD" => Ok(Method::Head),
        b"OPTIONS" | b"TRACE" | b"PROPFIND" | b"REPORT" | b"SEARCH" | b"QUERY" | b"PRI" => Err(Pass::Method),
        b"POST" => Ok(Method::Post),
        _ => Ok(Method::Other),
    }
}

/// Why a GET or HEAD request passes.
fn pass(policy: &CompiledCachePolicy, request: &Headers, directives: RequestDirectives) -> Option<Pass> {
    let has_body = request.get("transfer-encoding").is_some()
        || request
            .values("content-length")
            .any(|length| length.trim_ascii() != b"0");
    let names_events = |value: &[u8]| value.split(|byte| *byte == b',').any(is_event_stream);
    let reasons = [
        (has_body, Pass::Body),
        (request.values("accept").any(names_events), Pass::EventStream),
        (
            policy
                .bypass_headers
                .iter()
                .any(|name| request.get(name).is_some()),
            Pass::BypassHeader,
        ),
        (
            policy
                .bypass_cookies
                .iter()
                .any(|name| has_cookie(request, name.as_bytes())),
            Pass::BypassCookie,
        ),
        (directives.no_store, Pass::NoStore),
        (
            policy.key.persisted_queries && !persisted::is_persisted(request),
            Pass::NotPersisted,
        ),
    ];
    reasons
        .into_iter()
        .find_map(|(holds, reason)| holds.then_some(reason))
}

pub(crate) fn is_event_stream(media_type: &[u8]) -> bool {
    begins_with(media_type.trim_ascii(), b"text/event-stream")
}

/// Whether there is a cookie `name` (RFC 6265 section 4.2).
fn has_cookie(request: &Headers, name: &[u8]) -> bool {
    let mut pairs = request
        .values("cookie")
        .flat_map(|value| value.split(|byte| *byte == b';'));
    pairs.any(|pair| crate::text::cut(pair.trim_ascii(), b'=').0 == name)
}
