//! What a response says of its storing.

use crate::headers::Headers;
use crate::structured::{self, Item};
use crate::text::{Backslash, cut, items, seconds, trim, unquoted};

/// Response directives (RFC 9111 section 5.2.2, RFC 5861, RFC 8246).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Directives {
    pub(crate) no_store: bool,
    pub(crate) no_cache: bool,
    pub(crate) private: bool,
    pub(crate) public: bool,
    pub(crate) must_revalidate: bool,
    pub(crate) proxy_revalidate: bool,
    pub(crate) must_understand: bool,
    pub(crate) immutable: bool,
    pub(crate) no_transform: bool,
    pub(crate) max_age: Option<u64>,
    pub(crate) s_maxage: Option<u64>,
    pub(crate) while_revalidate: Option<u64>,
    pub(crate) if_error: Option<u64>,
    /// The fields, lower-case, that `no-cache` or `private` is about alone: those are not stored, the rest is.
    pub(crate) without: Vec<Vec<u8>>,
}

/// Fields without which the body would be read wrongly: a `no-cache` or `private` about them is about the whole.
const STRUCTURAL: [&[u8]; 5] = [
    b"content-encoding",
    b"content-range",
    b"content-type",
    b"vary",
    b"cache-control",
];

/// Directives, and whether a targeted field gave them: then `Expires` has no meaning (RFC 9213 section 2.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) directives: Directives,
    pub(crate) targeted: bool,
}

/// The directives that count: those of the first of `targets` that is there and valid, else those of `Cache-Control`
/// (RFC 9213 section 2.2).
pub(crate) fn told(headers: &Headers, targets: &[String]) -> Told {
    for target in targets {
        if let Some(directives) = headers.joined(target).and_then(|value| targeted(target, &value)) {
            return Told {
                directives,
                targeted: true,
            };
        }
    }
    let mut directives = Directives::default();
    for item in headers.items("cache-control", Backslash::Escapes) {
        directives.take(item);
    }
    Told {
        directives,
        targeted: false,
    }
}

/// A targeted field is a dictionary, and ignored as a whole where it is not a well-formed one (RFC 9213 section 2.1);
/// `Surrogate-Control` is older than that and has a form of its own.
fn targeted(name: &str, value: &[u8]) -> Option<Directives> {
    if name == "surrogate-control" {
        return surrogate(value);
    }
    let members = structured::dictionary(value).filter(|members| !members.is_empty())?;
    let mut directives = Directives::default();
    for (key, item) in members {
        directives.take_item(key, &item);
    }
    Some(directives)
}

/// `max-age=60;weir`: a directive with targets is for these alone, by the tokens of their `Surrogate-Capability` (W3C Note
/// "Edge Architecture Specification", 2001, section 2.3).
fn surrogate(value: &[u8]) -> Option<Directives> {
    let (mut directives, mut any) = (Directives::default(), false);
    for item in items(value, Backslash::Escapes) {
        let (directive, targets) = cut(item, b';');
        let ours = |targets: &[u8]| {
            let mut targets = targets.split(|byte| *byte == b';');
            targets.any(|target| trim(target) == SURROGATE.as_bytes())
        };
        if targets.is_none_or(ours) {
            directives.take(directive);
            any = true;
        }
    }
    any.then_some(directives)
}

/// The token by which `Surrogate-Control` names this cache, see `Surrogate-Capability`.
pub(crate) const SURROGATE: &str = "weir";

impl Directives {
    fn take(&mut self, directive: &[u8]) {
        let (name, value) = cut(directive, b'=');
        self.note(&name.to_ascii_lowercase(), value.map(unquoted));
    }

    /// A member of a dictionary. A number of another type is one that can't be read; a flag is on, be its value what it may,
    /// but for `?0`.
    fn take_item(&mut self, key: &[u8], item: &Item<'_>) {
        match item {
            Item::Boolean(false) => {}
            Item::Boolean(true) => self.note(key, None),
            Item::Integer(text) | Item::String(text) if is_plain(key, item) => self.note(key, Some(text)),
            _ => self.note(key, Some(b"?")),
        }
    }

    /// One directive, its name lower-case. Of a number that stands several times the first counts; what can't be read as a
    /// number is zero: the response is stale from the start (RFC 9111 section 4.2.1).
    fn note(&mut self, name: &[u8], value: Option<&[u8]>) {
        let number = || value.and_then(seconds).unwrap_or(0);
        match name {
            b"no-store" => self.no_store = true,
            b"no-cache" => match fields(value) {
                Some(fields) => self.without.extend(fields),
                None => self.no_cache = true,
            },
            b"private" => match fields(value) {
                Some(fields) => self.without.extend(fields),
                None => self.private = true,
            },
            b"public" => self.public = true,
            b"must-revalidate" => self.must_revalidate = true,
            b"proxy-revalidate" => self.proxy_revalidate = true,
            b"must-understand" => self.must_understand = true,
            b"immutable" => self.immutable = true,
            b"no-transform" => self.no_transform = true,
            b"max-age" => _ = self.max_age.get_or_insert_with(number),
            b"s-maxage" => _ = self.s_maxage.get_or_insert_with(number),
            b"stale-while-revalidate" => _ = self.while_revalidate.get_or_insert_with(number),
            b"stale-if-error" => _ = self.if_error.get_or_insert_with(number),
            _ => {}
        }
    }

    /// Seconds that a shared cache takes it for fresh, by the directives alone (RFC 9111 section 4.2.1).
    pub(crate) fn lifetime(&self) -> Option<u64> {
        self.s_maxage.or(self.max_age)
    }

    /// Whether it may never be served stale (RFC 9111 section 4.2.4).
    pub(crate) fn forbids_stale(&self) -> bool {
        self.must_revalidate || self.proxy_revalidate || self.s_maxage.is_some() || self.no_cache
    }

    /// Whether a shared cache may store what answers a request with `Authorization` (RFC 9111 section 3.5).
    pub(crate) fn allows_authorized(&self) -> bool {
        self.public || self.must_revalidate || self.s_maxage.is_some()
    }
}

fn is_plain(key: &[u8], item: &Item<'_>) -> bool {
    let lists = matches!(key, b"no-cache" | b"private");
    lists == matches!(item, Item::String(_))
}

/// The fields that `no-cache` or `private` names; none where it is about the whole response.
fn fields(value: Option<&[u8]>) -> Option<Vec<Vec<u8>>> {
    let names: Vec<Vec<u8>> = items(value?, Backslash::Plain)
        .map(<[u8]>::to_ascii_lowercase)
        .collect();
    let structural = |name: &Vec<u8>| STRUCTURAL.contains(&name.as_slice());
    let is_name = |name: &Vec<u8>| name.iter().all(|byte| is_token_byte(*byte));
    let partial = !names.is_empty() && names.iter().all(|name| is_name(name) && !structural(name));
    partial.then_some(names)
}

/// `tchar` (RFC 9110 section 5.6.2).
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Directives {
        let headers: Headers = lines.iter().map(|line| ("cache-control", line)).collect();
        told(&headers, &[]).directives
    }

    #[test]
    fn the_first_number_counts_and_junk_is_zero() {
        let check = |line: &str, expected| assert_eq!(read(&[line]).max_age, expected, "{line}");
        check("max-age=3600", Some(3600));
        check("MaX-aGe=3600", Some(3600));
        check("foobar, max-age=3600", Some(3600));
        check("max-age=\"3600\"", Some(3600));
        check("max-age=003600", Some(3600));
        check("max-age=99999999999999999999999", Some(1 << 31));
        check("max-age=1, max-age=1800", Some(1));
        check("extension=\"max-age=3600\", max-age=1", Some(1));
        check("max-age=1, extension=\"max-age=3600\"", Some(1));
        check("extension=\"a\\\", max-age=3600\"", None);
        check("max-age='3600'", Some(0));
        check("max-age=-3600", Some(0));
        check("max-age=3600.5", Some(0));
        check("max-age=a3600", Some(0));
        check("max-age= 3600", Some(0));
        check("max-age =3600", None);
        check("max-age", Some(0));
        assert_eq!(read(&["max-age=3600", "s-maxage=1"]).lifetime(), Some(1));
    }

    #[test]
    fn a_directive_about_fields_is_not_about_the_rest() {
        let found = read(&["no-cache=\"a, B\", private=c"]);
        assert_eq!((found.no_cache, found.private), (false, false));
        assert_eq!(found.without, [b"a", b"b", b"c"]);
        assert!(read(&["no-cache=\"content-encoding\""]).no_cache);
        assert!(read(&["no-cache=\"\""]).no_cache);
        assert!(read(&["private=\"a b\""]).private);
    }

    fn by_target(fields: &[(&str, &str)]) -> Told {
        let targets = ["weir-cache-control", "cdn-cache-control", "surrogate-control"];
        let headers: Headers = fields.iter().copied().collect();
        told(&headers, &targets.map(str::to_owned))
    }

    #[test]
    fn the_first_valid_target_counts() {
        let plain = ("cache-control", "no-store");
        let check = |value: &str, expected: Option<u64>| {
            let found = by_target(&[plain, ("cdn-cache-control", value)]);
            let lifetime = found.targeted.then(|| found.directives.lifetime().unwrap_or(7));
            assert_eq!(lifetime, expected, "{value}");
        };
        check("max-age=60", Some(60));
        check("max-age=60;a=b, s-maxage=9;q", Some(9));
        check("max-age=60, max-age=30", Some(30));
        check("no-store", Some(7));
        check("max-age=\"60\"", Some(0));
        check("max-age=-60", Some(0));
        check("max-age=6.5", Some(0));
        // Not well-formed: as if it were not there.
        check("", None);
        check("MaX-aGe=60", None);
        check("max-age=60,", None);
        check("max-age = 60", None);
        check("max-age=1234567890123456", None);
        let nearer = by_target(&[
            ("weir-cache-control", "max-age=1"),
            ("cdn-cache-control", "max-age=2"),
        ]);
        assert_eq!(nearer.directives.max_age, Some(1));
    }

    #[test]
    fn surrogate_control_is_for_those_that_it_names() {
        let check = |value: &str, expected| {
            let found = by_target(&[("surrogate-control", value)]);
            assert_eq!((found.targeted, found.directives.max_age), expected, "{value}");
        };
        check("MaX-aGe=3600", (true, Some(3600)));
        check("foobar, max-age=3600", (true, Some(3600)));
        check("max-age=3600;weir", (true, Some(3600)));
        check("max-age=3600;not-for-you", (false, None));
        check("max-age=60;other, max-age=30;a; weir", (true, Some(30)));
        check("max-age =100", (true, None));
    }
}
