//! URLs in one form, by which purges and invalidations find what is stored.

use weir_policy::compiled::edge_cache::QueryParameters;
use weir_route_match::{path_of, query_of};

use crate::text::sorted;

/// A scheme, so far as a cache of HTTP has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Scheme {
    #[default]
    Http,
    Https,
}

impl Scheme {
    pub(crate) fn new(scheme: &[u8]) -> Option<Self> {
        match scheme {
            _ if scheme.eq_ignore_ascii_case(b"http") => Some(Self::Http),
            _ if scheme.eq_ignore_ascii_case(b"https") => Some(Self::Https),
            _ => None,
        }
    }
}

/// Which part of a query counts, and in which order.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Query<'p> {
    pub(crate) parameters: &'p QueryParameters,
    pub(crate) sort: bool,
}

const WHOLE: Query<'static> = Query {
    parameters: &QueryParameters::All,
    sort: false,
};

/// The canonical form of a URL (`https://Example.com:443/%7Ea?b`, or the same without its scheme): lower-case authority
/// without the scheme's default port, path, query; no scheme, no fragment. None: it has no authority.
///
/// In the path, escapes of unreserved characters are decoded and the digits of all others are upper-case (RFC 3986 section
/// 6.2.2). An escaped dot stays as it is, and dot segments stay, since a server may think otherwise of them.
pub fn url_of(text: &str) -> Option<Vec<u8>> {
    of_text(text.as_bytes(), WHOLE)
}

/// The form that a URL, already as [`url_of`] writes it, has under a policy whose keys have these `parameters`, `sort`ed or not.
pub fn url_under(url: &str, parameters: &QueryParameters, sort: bool) -> Vec<u8> {
    let mut under = url.split('?').next().unwrap_or_default().into();
    push_query(&mut under, url.as_bytes(), Query { parameters, sort });
    under
}

pub(crate) fn of_text(text: &[u8], query: Query<'_>) -> Option<Vec<u8>> {
    let (scheme, rest) = match split_scheme(text) {
        Some((scheme, rest)) => (Some(Scheme::new(scheme)?), rest.strip_prefix(b"//")?),
        None => (None, text.strip_prefix(b"//").unwrap_or(text)),
    };
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#'));
    let (authority, target) = rest.split_at(end.unwrap_or(rest.len()));
    if authority.is_empty() {
        return None;
    }
    Some(canonical(scheme, authority, target, query))
}

/// `http` and what follows its colon. A host with a port (`a.example:80/`) has none.
fn split_scheme(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = text
        .iter()
        .position(|byte| matches!(byte, b':' | b'/' | b'?' | b'#'))?;
    let (scheme, rest) = text.split_at(at);
    let rest = rest.strip_prefix(b":")?;
    let is_scheme = scheme
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte));
    (is_scheme && !rest.first().is_some_and(u8::is_ascii_digit)).then_some((scheme, rest))
}

/// Without a scheme both default ports are left out.
pub(crate) fn canonical(
    scheme: Option<Scheme>,
    authority: &[u8],
    target: &[u8],
    query: Query<'_>,
) -> Vec<u8> {
    let mut url = Vec::with_capacity(authority.len() + target.len());
    push_authority(&mut url, scheme, authority);
    push_path(&mut url, path_of(target));
    push_query(&mut url, target, query);
    url
}

/// The authority in lower case, without an empty port or the scheme's default one. What has more colons than a host and a port
/// stays as it is: a server may think otherwise of it.
pub(crate) fn push_authority(url: &mut Vec<u8>, scheme: Option<Scheme>, authority: &[u8]) {
    let authority = authority.to_ascii_lowercase();
    let ports: &[&[u8]] = match scheme {
        Some(Scheme::Http) => &[b":", b":80"],
        Some(Scheme::Https) => &[b":", b":443"],
        None => &[b":", b":80", b":443"],
    };
    let host = ports.iter().find_map(|port| authority.strip_suffix(*port));
    let host = host.filter(|host| !host.contains(&b':') || host.ends_with(b"]"));
    url.extend_from_slice(host.unwrap_or(&authority));
}

/// A path; the empty one is `/`.
pub(crate) fn push_path(url: &mut Vec<u8>, path: &[u8]) {
    if path.is_empty() {
        url.push(b'/');
    }
    let mut left = path;
    while let Some((first, rest)) = left.split_first() {
        left = match (first, escape(rest)) {
            (b'%', Some((byte, rest))) => {
                push_escaped(url, byte);
                rest
            }
            _ => {
                url.push(*first);
                rest
            }
        };
    }
}

fn push_escaped(url: &mut Vec<u8>, byte: u8) {
    if byte.is_ascii_alphanumeric() || b"-_~".contains(&byte) {
        url.push(byte);
        return;
    }
    let digit = |nibble: u8| b"0123456789ABCDEF".get(usize::from(nibble)).copied();
    url.push(b'%');
    url.extend(digit(byte >> 4));
    url.extend(digit(byte & 15));
}

/// The byte that two hexadecimal digits stand for, and what follows them.
fn escape(text: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, rest) = text.split_first_chunk::<2>()?;
    let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
    Some((u8::try_from(high? * 16 + low?).ok()?, rest))
}

/// `?` and the parameters that count, if there are any.
pub(crate) fn push_query(url: &mut Vec<u8>, target: &[u8], rules: Query<'_>) {
    let Some(query) = query_of(target) else {
        return;
    };
    if matches!(rules.parameters, QueryParameters::All) && !rules.sort {
        url.push(b'?');
        url.extend_from_slice(query);
        return;
    }
    let counts = |pair: &&[u8]| !pair.is_empty() && counts(rules.parameters, name_of(pair));
    let mut pairs: Vec<&[u8]> = query.split(|byte| *byte == b'&').filter(counts).collect();
    if rules.sort {
        // Parameters of one name keep their order, which may mean something.
        let order = sorted(pairs.iter().map(|pair| name_of(pair)));
        let ordered = order
            .into_iter()
            .filter_map(|(_, place)| pairs.get(place).copied());
        pairs = ordered.collect();
    }
    for (index, pair) in pairs.into_iter().enumerate() {
        url.push(if index == 0 { b'?' } else { b'&' });
        url.extend_from_slice(pair);
    }
}

fn name_of(pair: &[u8]) -> &[u8] {
    crate::text::cut(pair, b'=').0
}

fn counts(parameters: &QueryParameters, name: &[u8]) -> bool {
    match parameters {
        QueryParameters::All => true,
        QueryParameters::Only(names) => names.iter().any(|known| known.as_bytes() == name),
        QueryParameters::Except(patterns) => !patterns.iter().any(|pattern| stands_for(pattern, name)),
    }
}

/// `utm_*` stands for all that begin so.
fn stands_for(pattern: &str, name: &[u8]) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix.as_bytes()),
        None => pattern.as_bytes() == name,
    }
}

/// Whose URL a reference is resolved against.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Base<'u> {
    pub(crate) scheme: Scheme,
    pub(crate) authority: &'u [u8],
    pub(crate) target: &'u [u8],
}

/// The canonical form of what `reference` refers to (RFC 3986 section 5.2), if that has the origin of `base` (RFC 9110
/// section 4.3.1).
pub(crate) fn same_origin(base: Base<'_>, reference: &[u8], query: Query<'_>) -> Option<Vec<u8>> {
    let reference = reference.trim_ascii();
    let after = match split_scheme(reference) {
        Some((scheme, rest)) if Scheme::new(scheme) == Some(base.scheme) => rest.strip_prefix(b"//"),
        Some(_) => return None,
        None => reference.strip_prefix(b"//"),
    };
    let Some(after) = after else {
        let target = resolve(base.target, reference);
        return Some(canonical(Some(base.scheme), base.authority, &target, query));
    };
    let end = after.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#'));
    let (authority, target) = after.split_at(end.unwrap_or(after.len()));
    let form = |authority| {
        let mut form = Vec::new();
        push_authority(&mut form, Some(base.scheme), authority);
        form
    };
    let target = without_dots(target);
    (form(authority) == form(base.authority)).then(|| canonical(Some(base.scheme), authority, &target, query))
}

/// A reference without authority (RFC 3986 sections 5.2.2 and 5.2.3).
fn resolve(base: &[u8], reference: &[u8]) -> Vec<u8> {
    let path = path_of(base);
    let mut target = Vec::new();
    match reference.first() {
        None | Some(b'#') => return base.to_vec(),
        Some(b'/') => {}
        Some(b'?') => target.extend_from_slice(path),
        Some(_) => {
            let end = path
                .iter()
                .rposition(|byte| *byte == b'/')
                .map_or(0, |slash| slash + 1);
            target.extend_from_slice(path.get(..end).unwrap_or_default());
        }
    }
    target.extend_from_slice(reference);
    without_dots(&target)
}

/// Takes the dot segments out of a target's path (RFC 3986 section 5.2.4).
fn without_dots(target: &[u8]) -> Vec<u8> {
    let path = path_of(target);
    let after = target.get(path.len()..).unwrap_or_default();
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut ends_open = false;
    for segment in path.split(|byte| *byte == b'/').skip(1) {
        ends_open = matches!(segment, b"." | b"..");
        match segment {
            b"." => {}
            b".." => _ = kept.pop(),
            _ => kept.push(segment),
        }
    }
    let mut whole = Vec::with_capacity(target.len());
    for segment in kept {
        whole.push(b'/');
        whole.extend_from_slice(segment);
    }
    if ends_open {
        whole.push(b'/');
    }
    whole.extend_from_slice(after);
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(url: Option<Vec<u8>>) -> Option<String> {
        url.map(|url| String::from_utf8(url).unwrap())
    }

    #[test]
    fn a_url_has_one_form() {
        let check =
            |url: &str, expected: Option<&str>| assert_eq!(text(url_of(url)).as_deref(), expected, "{url}");
        check(
            "https://Example.COM:443/%7ea%2fb?C=%7e#x",
            Some("example.com/~a%2Fb?C=%7e"),
        );
        check("http://example.com:443/", Some("example.com:443/"));
        check("http://example.com", Some("example.com/"));
        check("Example.com:8080/a", Some("example.com:8080/a"));
        check("example.com:80/a", Some("example.com/a"));
        check("//example.com/a?", Some("example.com/a?"));
        check("http://[::1]:80/a", Some("[::1]/a"));
        check("http://a:80:80/", Some("a:80:80/"));
        check("http://a:/", Some("a/"));
        check("http://a::/", Some("a::/"));
        check(
            "example.com/%2e%2E/a/../%zz%4",
            Some("example.com/%2E%2E/a/../%zz%4"),
        );
        check("/a", None);
        check("", None);
        check("http:///a", None);
        check("ftp://example.com/", None);
        check("mailto:a@example.com", None);
    }

    #[test]
    fn parameters_are_chosen_and_sorted() {
        let check = |parameters: QueryParameters, sort, expected: &str| {
            let query = Query {
                parameters: &parameters,
                sort,
            };
            let mut found = Vec::new();
            push_query(&mut found, b"/?b=2&a=9&utm_x=1&a=1&&c#f?g", query);
            assert_eq!(text(Some(found)).unwrap(), expected);
        };
        check(QueryParameters::All, false, "?b=2&a=9&utm_x=1&a=1&&c");
        check(QueryParameters::All, true, "?a=9&a=1&b=2&c&utm_x=1");
        check(
            QueryParameters::Only(vec!["a".into(), "c".into()]),
            false,
            "?a=9&a=1&c",
        );
        check(QueryParameters::Only(vec![]), false, "");
        check(
            QueryParameters::Except(vec!["utm_*".into(), "b".into()]),
            false,
            "?a=9&a=1&c",
        );
    }

    #[test]
    fn references_resolve_within_the_origin() {
        let check = |reference: &str, expected: Option<&str>| {
            let base = Base {
                scheme: Scheme::Http,
                authority: b"A.example:80",
                target: b"/b/c/d;p?q",
            };
            let found = same_origin(base, reference.as_bytes(), WHOLE);
            assert_eq!(text(found).as_deref(), expected, "{reference}");
        };
        check("", Some("a.example/b/c/d;p?q"));
        check("g", Some("a.example/b/c/g"));
        check("./g/", Some("a.example/b/c/g/"));
        check("/g", Some("a.example/g"));
        check("?y", Some("a.example/b/c/d;p?y"));
        check("g?y/./x", Some("a.example/b/c/g?y/./x"));
        check(";x", Some("a.example/b/c/;x"));
        check(".", Some("a.example/b/c/"));
        check("..", Some("a.example/b/"));
        check("../../../g", Some("a.example/g"));
        check("http://a.EXAMPLE/x/../y", Some("a.example/y"));
        check("//a.example:80", Some("a.example/"));
        check("https://a.example/y", None);
        check("http://b.example/y", None);
        check("http://a.example:8080/y", None);
        check("//b.example/y", None);
        check("mailto:a", None);
    }
}
