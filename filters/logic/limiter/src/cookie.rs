//! One cookie of a request (RFC 6265 section 4.2).

use weir_route_match::RequestView;

/// The value of the first cookie `name`, without the quotes around it.
pub(crate) fn value<'r>(request: &'r (impl RequestView + ?Sized), name: &[u8]) -> Option<&'r [u8]> {
    let mut pairs = request
        .values("cookie")
        .flat_map(|value| value.split(|byte| *byte == b';'));
    pairs.find_map(|pair| {
        let pair = pair.trim_ascii();
        let value = pair.strip_prefix(name)?.strip_prefix(b"=")?;
        Some(unquoted(value))
    })
}

fn unquoted(value: &[u8]) -> &[u8] {
    let inner = value
        .strip_prefix(b"\"")
        .and_then(|value| value.strip_suffix(b"\""));
    inner.unwrap_or(value)
}
