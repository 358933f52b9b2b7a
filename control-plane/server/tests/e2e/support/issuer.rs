//! Who issues tokens: HS256 (RFC 7515, RFC 7518 section 3.2), with a key that the JWKS gives away.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

/// Instants that no clock of a test machine comes near: the years 2001 and 2100.
pub(crate) const LONG_AGO: u64 = 1_000_000_000;
pub(crate) const FAR_OFF: u64 = 4_102_444_800;

#[derive(Clone)]
pub(crate) struct Issuer {
    /// The `iss` of its tokens.
    pub(crate) name: String,
    key: [u8; 32],
}

/// A token, and the part of it that carries the claims.
pub(crate) struct Token {
    pub(crate) text: String,
    pub(crate) payload: String,
}

impl Issuer {
    /// Issuers of one name have keys of their own when their `seed` differs.
    pub(crate) fn new(name: &str, seed: u8) -> Self {
        Self {
            name: name.to_owned(),
            key: [seed; 32],
        }
    }

    pub(crate) fn jwks(&self) -> String {
        let key = json!({"kty": "oct", "alg": "HS256", "kid": "1", "k": encode(&self.key)});
        json!({ "keys": [key] }).to_string()
    }

    /// A token for `subject` that is valid for long.
    pub(crate) fn token(&self, subject: &str) -> Token {
        self.token_with(&json!({"sub": subject}))
    }

    /// The same with other claims beside `iss`, and instead of `exp`.
    pub(crate) fn token_with(&self, claims: &Value) -> Token {
        let mut payload = json!({"iss": self.name, "exp": FAR_OFF});
        for (name, value) in claims.as_object().unwrap() {
            payload[name] = value.clone();
        }
        let payload = encode(payload.to_string().as_bytes());
        let signed = format!("{}.{payload}", encode(br#"{"alg":"HS256","kid":"1"}"#));
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key).unwrap();
        mac.update(signed.as_bytes());
        let signature = encode(&mac.finalize().into_bytes());
        Token {
            text: format!("{signed}.{signature}"),
            payload,
        }
    }

    /// A token with the signature left out, as `alg: none` has it.
    pub(crate) fn unsigned(&self, subject: &str) -> String {
        let payload = json!({"iss": self.name, "exp": FAR_OFF, "sub": subject});
        let payload = encode(payload.to_string().as_bytes());
        format!("{}.{payload}.", encode(br#"{"alg":"none"}"#))
    }
}

impl Token {
    /// As it stands in `Authorization`.
    pub(crate) fn bearer(&self) -> String {
        format!("Bearer {}", self.text)
    }
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
