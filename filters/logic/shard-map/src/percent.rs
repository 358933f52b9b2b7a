//! Percent-decoding (RFC 3986 section 2.1) of bytes.

use std::borrow::Cow;

/// What `+` means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plus {
    /// Itself.
    Literal,
    /// A space, as in `application/x-www-form-urlencoded`.
    Space,
}

/// Decodes `text`. What is no valid escape stays as it is.
pub(crate) fn decode(text: &[u8], plus: Plus) -> Cow<'_, [u8]> {
    let encoded = |byte: &u8| *byte == b'%' || (*byte == b'+' && plus == Plus::Space);
    if !text.iter().any(encoded) {
        return Cow::Borrowed(text);
    }
    let mut decoded = Vec::with_capacity(text.len());
    let mut left = text;
    while let Some((first, rest)) = left.split_first() {
        let (byte, rest) = match (first, escape(rest)) {
            (b'%', Some((byte, rest))) => (byte, rest),
            (b'+', _) if plus == Plus::Space => (b' ', rest),
            _ => (*first, rest),
        };
        decoded.push(byte);
        left = rest;
    }
    Cow::Owned(decoded)
}

/// The byte that two hexadecimal digits stand for, and what follows them.
fn escape(text: &[u8]) -> Option<(u8, &[u8])> {
    let (digits, rest) = text.split_first_chunk::<2>()?;
    let [high, low] = digits.map(|digit| char::from(digit).to_digit(16));
    let byte = u8::try_from(high? * 16 + low?).ok()?;
    Some((byte, rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn keeps_what_is_no_escape() {
        for text in ["", "a", "%", "%4", "%zz", "%%", "%+1", "é"] {
            assert_eq!(decode(text.as_bytes(), Plus::Literal), text.as_bytes(), "{text}");
        }
        assert_eq!(&*decode(b"%%41%2", Plus::Literal), b"%A%2");
        assert_eq!(&*decode(b"a+b%2Bc", Plus::Space), b"a b+c");
        assert_eq!(&*decode(b"a+b", Plus::Literal), b"a+b");
    }

    proptest! {
        #[test]
        fn gives_back_what_was_encoded(bytes in prop::collection::vec(any::<u8>(), 0..20), upper in any::<bool>()) {
            let encode = |byte: &u8| if upper { format!("%{byte:02X}") } else { format!("%{byte:02x}") };
            let text: String = bytes.iter().map(encode).collect();
            prop_assert_eq!(&*decode(text.as_bytes(), Plus::Space), &bytes[..]);
        }
    }
}
