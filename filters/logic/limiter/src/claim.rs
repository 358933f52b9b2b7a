//! One claim of a JSON Web Token's payload (RFC 7519 section 4).

use base64::Engine;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use serde_json::Value;
use weir_route_match::RequestView;

/// base64url; Envoy's `forward_payload_header` is padded or not by its configuration.
const BASE64URL: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
/// A longer token is taken for none.
const MAX_PAYLOAD: usize = 64 << 10;

/// A claim and where its token stands.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    payload_headers: Vec<String>,
    path: Vec<String>,
}

impl Claim {
    pub(crate) fn new(payload_headers: Vec<String>, claim: &str) -> Self {
        let path = claim.split('.').map(str::to_owned).collect();
        Self {
            payload_headers,
            path,
        }
    }

    /// The claim's value as text: a string as it is, a number or boolean as JSON writes it.
    pub(crate) fn value(&self, request: &(impl RequestView + ?Sized)) -> Option<Vec<u8>> {
        let payload = self.payload(request)?;
        let bytes = BASE64URL
            .decode(payload.get(..MAX_PAYLOAD).map_or(payload, |_| &[]))
            .ok()?;
        let claims: Value = serde_json::from_slice(&bytes).ok()?;
        let found = self
            .path
            .iter()
            .try_fold(&claims, |value, name| value.get(name))?;
        match found {
            Value::String(text) => Some(text.clone().into_bytes()),
            Value::Number(_) | Value::Bool(_) => Some(found.to_string().into_bytes()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
        }
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
