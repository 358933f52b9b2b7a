//! Policies, requests and responses in few words.

use std::sync::LazyLock;

use serde_json::{Value, json};
use weir_http_cache::{Asked, CacheRequest, CacheRules, Headers};

/// 2026-11-26 00:00:00 GMT
pub(crate) const NOW: u64 = 1_795_651_200_000;

/// As HTTP writes it: seconds from now.
pub(crate) fn date(seconds: i64) -> String {
    let at = NOW.checked_add_signed(seconds * 1000).unwrap();
    httpdate::fmt_http_date(std::time::UNIX_EPOCH + std::time::Duration::from_millis(at))
}

pub(crate) fn policy() -> Value {
    json!({
        "key": {"version": 1, "query": "all"},
        "ttl": {"hitForMissMs": 0},
        "stale": {"whileRevalidateMs": 0, "ifErrorMs": 0},
        "tags": {"headers": ["surrogate-key", "cache-tag"]},
        "targets": ["weir-cache-control", "cdn-cache-control", "surrogate-control"],
        "limits": {"objectBytes": 1000, "totalBytes": 100_000, "objects": 9},
        "coalesce": {"maxWaiters": 0, "timeoutMs": 0},
        "callTimeoutMs": 1000,
    })
}

/// The policy, but with these members (at their JSON pointers, the last step of which may be new).
pub(crate) fn with(changes: &[(&str, Value)]) -> CacheRules {
    CacheRules::try_new(serde_json::from_value(patched(changes)).unwrap(), &[]).unwrap()
}

pub(crate) fn patched(changes: &[(&str, Value)]) -> Value {
    let mut policy = policy();
    for (pointer, value) in changes {
        let (parent, member) = pointer.rsplit_once('/').unwrap();
        policy.pointer_mut(parent).unwrap()[member] = value.clone();
    }
    policy
}

/// The rules of [`policy`], which properties ask for thousands of times.
pub(crate) fn rules() -> &'static CacheRules {
    static RULES: LazyLock<CacheRules> = LazyLock::new(|| with(&[]));
    &RULES
}

pub(crate) fn headers(fields: &[(&str, &str)]) -> Headers {
    fields.iter().copied().collect()
}

/// `HEAD http://a.example/b?c`; without a method, GET; without a scheme, `http`.
pub(crate) fn request_headers(what: &str, fields: &[(&str, &str)]) -> Headers {
    let (method, url) = what.split_once(' ').unwrap_or(("GET", what));
    let (scheme, url) = url.split_once("://").unwrap_or(("http", url));
    let slash = url.find('/').unwrap();
    let pseudo = [
        (":method", method),
        (":scheme", scheme),
        (":authority", &url[..slash]),
        (":path", &url[slash..]),
    ];
    pseudo.iter().chain(fields).copied().collect()
}

pub(crate) fn lookup(rules: &CacheRules, what: &str, fields: &[(&str, &str)]) -> CacheRequest {
    match rules.read(request_headers(what, fields)) {
        Asked::Lookup(request) | Asked::Unsafe(request) => request,
        Asked::Pass(pass) => panic!("{what} passes: {pass:?}"),
    }
}

pub(crate) fn get(fields: &[(&str, &str)]) -> CacheRequest {
    lookup(rules(), "a.example/", fields)
}

pub(crate) fn text(value: Option<&[u8]>) -> Option<&str> {
    value.map(|value| std::str::from_utf8(value).unwrap())
}
