//! Which objects of one key lie beside one another (RFC 9111 section 4.1).

use std::fmt;

use super::{MAX_VARY, MAX_VARY_NAMES};
use crate::hash::hash128_digits;

/// The digits of a [`Variant`] that is none of an empty [`Vary`].
pub const VARIANT_DIGITS: usize = 32;

/// The names of the request fields that an object varies by: lower-case, sorted, each once, between commas. Empty: none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Vary(String);

/// Why a list of names is no [`Vary`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VaryError {
    /// `*`: no request is ever sure to have the same answer.
    Any,
    /// More than [`MAX_VARY_NAMES`], or longer than [`MAX_VARY`] in all.
    TooMany,
    /// Not the name of a header field.
    Name,
}

impl fmt::Display for VaryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "* varies by everything: such an answer can't be stored",
            Self::TooMany => "more than 16 names, or longer than 1024 bytes",
            Self::Name => "expected names of header fields between commas",
        })
    }
}

impl std::error::Error for VaryError {}

impl Vary {
    /// Of the value of a `Vary` field, or of several joined by commas. Order, case and repetition make no difference.
    pub fn try_new(value: &str) -> Result<Self, VaryError> {
        let mut names = Vec::new();
        for name in value.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let name = checked(name)?;
            if names.len() <= MAX_VARY_NAMES
                && let Err(place) = names.binary_search(&name)
            {
                names.insert(place, name);
            }
        }
        let joined = names.join(",");
        if names.len() > MAX_VARY_NAMES || joined.len() > MAX_VARY {
            return Err(VaryError::TooMany);
        }
        Ok(Self(joined))
    }

    /// As it stands in a header field.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.split(',').filter(|name| !name.is_empty())
    }
}

fn checked(name: &str) -> Result<String, VaryError> {
    if name == "*" {
        return Err(VaryError::Any);
    }
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    match name.bytes().all(is_token) {
        true => Ok(name.to_ascii_lowercase()),
        false => Err(VaryError::Name),
    }
}

/// The values of the fields that an object varies by, hashed: 32 digits of `0-9a-f`, or `0` of an empty [`Vary`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Variant(String);

impl Variant {
    /// That of an object that varies by nothing.
    pub fn only() -> Self {
        Self("0".to_owned())
    }

    /// Reads what [`Variant::as_str`] gives.
    pub fn parse(text: &str) -> Option<Self> {
        let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        let valid = text == "0" || (text.len() == VARIANT_DIGITS && text.bytes().all(is_digit));
        valid.then(|| Self(text.to_owned()))
    }

    /// Its digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Which variant a request with these fields selects.
///
/// Fields of one name count as one list, in order; white space around a value makes no difference; a field that is there
/// and empty differs from one that isn't there. Whoever wants `gzip, br` and `br, gzip` to be the same, or a field to make
/// no difference, says so before: by the fields that it passes, on the way in and on the way out alike.
pub fn variant(vary: &Vary, fields: &[(&[u8], &[u8])]) -> Variant {
    if vary.0.is_empty() {
        return Variant::only();
    }
    let mut text = Vec::new();
    for name in vary.names() {
        text.extend_from_slice(name.as_bytes());
        let values = fields
            .iter()
            .filter(|(field, _)| field.eq_ignore_ascii_case(name.as_bytes()));
        for (nth, (_, value)) in values.enumerate() {
            // No name and no value has a byte below a space, but for tabs.
            text.push(if nth == 0 { 1 } else { b',' });
            text.extend_from_slice(value.trim_ascii());
        }
        text.push(0);
    }
    Variant(hash128_digits(text))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn vary(value: &str) -> Vary {
        Vary::try_new(value).unwrap()
    }

    fn of(names: &str, fields: &[(&str, &str)]) -> Variant {
        let fields: Vec<_> = fields
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
            .collect();
        variant(&vary(names), &fields)
    }

    #[test]
    fn names_are_lower_case_sorted_and_few() {
        assert_eq!(
            vary(" Accept-Language,accept-encoding, ,ACCEPT-language").as_str(),
            "accept-encoding,accept-language"
        );
        assert_eq!(vary("").as_str(), "");
        assert_eq!(Vary::try_new("a, *"), Err(VaryError::Any));
        assert_eq!(Vary::try_new("a b"), Err(VaryError::Name));
        let many = |count: usize| (0..count).map(|n| format!("x-{n},")).collect::<String>();
        assert!(Vary::try_new(&many(MAX_VARY_NAMES)).is_ok());
        assert_eq!(Vary::try_new(&many(MAX_VARY_NAMES + 1)), Err(VaryError::TooMany));
        assert_eq!(Vary::try_new(&"x".repeat(MAX_VARY + 1)), Err(VaryError::TooMany));
    }

    #[test]
    fn what_makes_a_difference_and_what_does_not() {
        let german = of("accept-language", &[("accept-language", "de")]);
        assert_eq!(
            german,
            of("Accept-Language", &[("Accept-Language", " de\t"), ("x", "y")])
        );
        for other in ["", "DE", "de,en"] {
            assert_ne!(
                german,
                of("accept-language", &[("accept-language", other)]),
                "{other}"
            );
        }
        let (absent, empty) = (of("a", &[]), of("a", &[("a", "")]));
        assert_ne!(absent, empty);
        assert_eq!(
            of("a", &[("a", "1"), ("a", "2")]),
            of("a", &[("a", "1"), ("b", "3"), ("A", "2 ")])
        );
        assert_ne!(
            of("a", &[("a", "1"), ("a", "2")]),
            of("a", &[("a", "2"), ("a", "1")])
        );
        assert_ne!(of("a,b", &[("a", "1")]), of("a,b", &[("b", "1")]));
        assert_eq!(of("", &[("a", "1")]), Variant::only());
    }

    /// What lies in a store must be found by every later release.
    #[test]
    fn variants_never_change() {
        let variant = of("accept-encoding,accept-language", &[("accept-language", "de")]);
        assert_eq!(variant.as_str(), "9e0bbd8c6ce532fa8197f5c175f33cd9");
    }

    proptest! {
        #[test]
        fn fields_by_other_names_never_matter(value in "[ -~]{0,20}", other in "[a-z]{2,8}") {
            let one = of("a", &[("a", &value)]);
            prop_assert_eq!(&one, &of("a", &[(&other, "x"), ("a", &value), (&other, &value)]));
            prop_assert_eq!(Variant::parse(one.as_str()), Some(one));
        }

        #[test]
        fn any_text_is_a_vary_or_refused(value in "\\PC{0,60}") {
            if let Ok(vary) = Vary::try_new(&value) {
                prop_assert_eq!(Vary::try_new(vary.as_str()), Ok(vary));
            }
        }
    }
}
