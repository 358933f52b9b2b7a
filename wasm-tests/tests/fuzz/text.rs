//! Bytes that people can read in a case: printable ASCII as it is, the rest as `\xNN`.

use std::fmt;

use proptest::prelude::*;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Some bytes, as text with escapes.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Escaped(pub(crate) Vec<u8>);

/// A value as a case writes it: `"a\\xff"`, or `{"text": "a", "times": 9000}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Text {
    Plain(Escaped),
    Repeated { text: Escaped, times: usize },
}

impl Text {
    pub(crate) fn plain(bytes: impl Into<Vec<u8>>) -> Self {
        Self::Plain(Escaped(bytes.into()))
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Plain(Escaped(bytes)) => bytes.clone(),
            Self::Repeated { text, times } => text.0.repeat(*times),
        }
    }
}

impl fmt::Debug for Escaped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.0.escape_ascii().to_string())
    }
}

impl Serialize for Escaped {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.escape_ascii())
    }
}

impl<'de> Deserialize<'de> for Escaped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = unescape(&text).ok_or_else(|| D::Error::custom(format!("no such escape: {text:?}")))?;
        Ok(Self(bytes))
    }
}

/// What [`u8::escape_ascii`] has escaped.
fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'\\' { escape(&mut rest)? } else { byte });
    }
    Some(bytes)
}

fn escape(rest: &mut std::str::Bytes<'_>) -> Option<u8> {
    Some(match rest.next()? {
        b't' => b'\t',
        b'r' => b'\r',
        b'n' => b'\n',
        b'x' => {
            let digits = [rest.next()?, rest.next()?];
            u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
        }
        quote => quote,
    })
}

/// A byte that Envoy lets through in a header's value: all but NUL, CR and LF.
pub(crate) fn header_byte() -> impl Strategy<Value = u8> {
    let allowed = |byte: u8| {
        if matches!(byte, 0 | b'\r' | b'\n') {
            b'.'
        } else {
            byte
        }
    };
    prop_oneof![0x21..=0x7e_u8, 0x80..=0xff_u8, any::<u8>()].prop_map(allowed)
}

/// A header's value: short, of any bytes; now and then up to 40 KB.
pub(crate) fn header_value() -> impl Strategy<Value = Text> {
    let short = |most| prop::collection::vec(header_byte(), 0..most);
    prop_oneof![
        8 => short(24).prop_map(Text::plain),
        1 => (short(5), 1..8_000_usize).prop_map(|(text, times)| Text::Repeated { text: Escaped(text), times }),
    ]
}

proptest! {
    #[test]
    fn bytes_are_read_as_they_were_written(bytes: Vec<u8>) {
        let json = serde_json::to_string(&Text::plain(bytes.clone())).unwrap();
        prop_assert_eq!(serde_json::from_str::<Text>(&json).unwrap().bytes(), bytes);
    }
}
