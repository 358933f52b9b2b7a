//! Host patterns.

/// A host, or all hosts below a domain. Case has no meaning.
#[derive(Clone, Debug)]
pub enum HostPattern {
    /// This host only.
    Exact(Box<[u8]>),
    /// Every host that ends in this suffix (`.example.com`) and is longer than it.
    Below(Box<[u8]>),
}

impl HostPattern {
    /// `api.example.com` or `*.example.com`, without a port.
    pub fn new(pattern: &str) -> Self {
        match pattern.strip_prefix('*') {
            Some(suffix) => Self::Below(suffix.as_bytes().into()),
            None => Self::Exact(pattern.as_bytes().into()),
        }
    }

    /// Whether the host of `authority` (a `:authority`, perhaps with a port) is meant.
    pub fn matches(&self, authority: &[u8]) -> bool {
        let host = without_port(authority);
        match self {
            Self::Exact(expected) => host.eq_ignore_ascii_case(expected),
            Self::Below(suffix) => before(host, suffix).is_some_and(|below| !below.is_empty()),
        }
    }
}

/// Cuts off the last colon and what follows, be it a port or not, as Envoy does (`HeaderUtility::getPortStart`). A colon
/// before a `]` belongs to an IP literal (`[::1]`, RFC 3986 section 3.2.2).
fn without_port(authority: &[u8]) -> &[u8] {
    let last = authority.iter().rposition(|byte| matches!(byte, b':' | b']'));
    match last.and_then(|last| authority.split_at_checked(last)) {
        Some((host, [b':', ..])) => host,
        _ => authority,
    }
}

/// `host` without `suffix` at its end.
fn before<'h>(host: &'h [u8], suffix: &[u8]) -> Option<&'h [u8]> {
    let (below, end) = host.split_at_checked(host.len().checked_sub(suffix.len())?)?;
    end.eq_ignore_ascii_case(suffix).then_some(below)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, authority: &str, expected: bool) {
        let found = HostPattern::new(pattern).matches(authority.as_bytes());
        assert_eq!(found, expected, "{pattern} {authority}");
    }

    #[test]
    fn compares_hosts_without_port_and_case() {
        check("api.example.com", "API.Example.com:8080", true);
        check("api.example.com", "api.example.com", true);
        check("api.example.com", "api.example.com:", true);
        check("api.example.com", "api.example.com:x", true);
        check("api.example.com", "api.example.com:1:2", false);
        check("api.example.com", "api.example.com.evil.org", false);
        check("api.example.com", "", false);
    }

    #[test]
    fn a_wildcard_takes_every_depth_but_not_the_domain() {
        check("*.example.com", "a.example.com:1", true);
        check("*.example.com", "a.b.EXAMPLE.com", true);
        check("*.example.com", "example.com", false);
        check("*.example.com", ".example.com", false);
        check("*.example.com", "aexample.com", false);
    }

    #[test]
    fn colons_in_an_ip_literal_are_no_port() {
        assert_eq!(without_port(b"[::1]"), b"[::1]");
        assert_eq!(without_port(b"[::1]:443"), b"[::1]");
        assert_eq!(without_port(b"[2001:db8::7]:8080"), b"[2001:db8::7]");
        assert_eq!(without_port(b"[::1]:x"), b"[::1]");
        assert_eq!(without_port(b"[::1]:x]"), b"[::1]:x]");
        assert_eq!(without_port(b"127.0.0.1:80"), b"127.0.0.1");
        assert_eq!(without_port(b":80"), b"");
    }
}
