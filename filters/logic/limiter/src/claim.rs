//! One claim of a JSON Web Token's payload (RFC 7519 section 4).

use std::fmt;

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use weir_route_match::RequestView;

/// base64url, padded or not (RFC 7515 section 2 writes it without).
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// A longer payload is taken for none.
const MAX_PAYLOAD: usize = 64 << 10;

/// A claim and where its token stands.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    payload_headers: Vec<String>,
    path: Vec<String>,
}

impl Claim {
    /// Dots in `claim` lead into objects. No headers: the token itself stands in `authorization`.
    pub(crate) fn new(payload_headers: Vec<String>, claim: &str) -> Self {
        let path = claim.split('.').map(str::to_owned).collect();
        Self {
            payload_headers,
            path,
        }
    }

    /// The claim's value as text: a string as it is, a whole number or a boolean as JSON writes it.
    pub(crate) fn value(&self, request: &(impl RequestView + ?Sized)) -> Option<Vec<u8>> {
        let payload = self
            .payload(request)
            .filter(|payload| payload.len() <= MAX_PAYLOAD)?;
        let bytes = BASE64URL.decode(payload).ok()?;
        let mut json = serde_json::Deserializer::from_slice(&bytes);
        let found = Walk(&self.path).deserialize(&mut json).ok()?;
        json.end().ok()?;
        found
    }

    fn payload<'r>(&self, request: &'r (impl RequestView + ?Sized)) -> Option<&'r [u8]> {
        if self.payload_headers.is_empty() {
            return bearer_payload(request.header("authorization")?);
        }
        self.payload_headers.iter().find_map(|name| request.header(name))
    }
}

/// The second part of a token (RFC 7515 section 3.1) after `Bearer` (RFC 6750 section 2.1).
fn bearer_payload(authorization: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = authorization.split_at_checked(b"Bearer ".len())?;
    if !scheme.eq_ignore_ascii_case(b"Bearer ") {
        return None;
    }
    token.trim_ascii().split(|byte| *byte == b'.').nth(1)
}

/// Walks down a path through JSON objects to a value; the rest of the text is only checked. A tree of values would cost
/// a module some 20 KiB.
struct Walk<'p>(&'p [String]);

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = Option<Vec<u8>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Walk<'_> {
    /// A value counts at the end of the path only.
    fn leaf(&self, text: impl Into<Vec<u8>>) -> Option<Vec<u8>> {
        self.0.is_empty().then(|| text.into())
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = Option<Vec<u8>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(self.leaf(text))
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<Self::Value, E> {
        Ok(self.leaf(if truth { "true" } else { "false" }))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
        Ok(self.leaf(number.to_string()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(self.leaf(number.to_string()))
    }

    fn visit_f64<E: Error>(self, _number: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(name) = fields.next_key::<String>()? {
            match self.0.split_first() {
                Some((wanted, rest)) if *wanted == name => found = fields.next_value_seed(Walk(rest))?,
                _ => {
                    fields.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(found)
    }
}
