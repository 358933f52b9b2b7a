//! Which requests may be sent twice.

use weir_policy::compiled::request_hedge::CompiledHedgePolicy;
use weir_route_match::RequestView;

/// Methods whose requests have no body where none is announced.
const BODILESS: [&[u8]; 4] = [b"GET", b"HEAD", b"OPTIONS", b"TRACE"];

/// Whether a request that the policy is for may be sent twice, by its method and its body.
pub(crate) fn may_be_sent_twice(policy: &CompiledHedgePolicy, request: &impl RequestView) -> bool {
    let Some(method) = first(request, ":method") else {
        return false;
    };
    let idempotent = || {
        let mut headers = policy.idempotent_headers.iter();
        headers.any(|name| first(request, name).is_some())
    };
    let named = policy.methods.iter().any(|known| known.as_bytes() == method);
    (named || idempotent())
        && method != b"CONNECT"
        && first(request, "upgrade").is_none()
        && has_short_body(policy, method, request)
}

fn has_short_body(policy: &CompiledHedgePolicy, method: &[u8], request: &impl RequestView) -> bool {
    if first(request, "transfer-encoding").is_some() {
        return false;
    }
    match first(request, "content-length") {
        Some(length) => number(length).is_some_and(|length| length <= policy.max_request_body_bytes),
        None => BODILESS.contains(&method),
    }
}

fn first<'r>(request: &'r impl RequestView, name: &'r str) -> Option<&'r [u8]> {
    request.values(name).next()
}

/// A number of plain digits.
pub(crate) fn number(text: &[u8]) -> Option<u64> {
    let text = text.trim_ascii();
    let digits = text.iter().all(u8::is_ascii_digit);
    str::from_utf8(text).ok().filter(|_| digits)?.parse().ok()
}
