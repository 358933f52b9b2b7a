//! JWKS: the keys that verify a provider's tokens (RFC 7517).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::document::backend::check_span;
use crate::name::Name;
use crate::problem::Problems;
use crate::quantity::{ByteSize, Duration};

/// The largest inline JWKS.
pub const MAX_INLINE_SIZE: ByteSize = ByteSize::from_bytes(65_536);
/// The shortest `cacheDuration`. Envoy fetches again 5 s before its end, so that one of a little more than 5 s would have
/// it fetch without pause.
pub const MIN_CACHE_DURATION: Duration = Duration::from_secs(10);

/// The types of keys that Envoy verifies with, and what a key of the type is made of (RFC 7518 section 6, RFC 8037
/// section 2). Others are passed over (RFC 7517 section 5).
const KEY_TYPES: [(&str, &[&str]); 4] = [
    ("RSA", &["n", "e"]),
    ("EC", &["crv", "x", "y"]),
    ("OKP", &["crv", "x"]),
    ("oct", &["k"]),
];

/// Where the keys come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Jwks {
    /// The JWKS itself, JSON of at most 64 KiB. Whoever may read the Gateway or a proxy's configuration reads it, so it
    /// is for public keys; a symmetric one (`oct`) is as good as known to them.
    Inline(String),
    /// Fetched by each proxy.
    Remote(RemoteJwks),
}

/// A JWKS that proxies fetch, over plain HTTP: before the listener serves, again 5 s before `cacheDuration` has passed, and
/// a second after a failure. Fetched keys serve until newer ones are there; before the first, requests with a token are
/// answered 401.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RemoteJwks {
    /// The Backend that answers.
    pub backend: Name,
    /// The path, with its query if it has one: `/.well-known/jwks.json`.
    #[cfg_attr(feature = "schema", schemars(regex(pattern = "^/")))]
    pub path: String,
    /// The `Host` that it is asked as, `name` or `name:port`; absent: the Backend's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// How old keys may get before they are fetched again, at least 10s.
    #[serde(default = "default_cache_duration")]
    pub cache_duration: Duration,
    /// How long a fetch may take.
    #[serde(default = "default_timeout")]
    pub timeout: Duration,
}

const fn default_cache_duration() -> Duration {
    Duration::from_secs(300)
}

const fn default_timeout() -> Duration {
    Duration::from_secs(1)
}

impl Jwks {
    pub(crate) fn check(&self, problems: &mut Problems) {
        match self {
            Self::Inline(text) => problems.within("inline", |problems| check_inline(text, problems)),
            Self::Remote(remote) => problems.within("remote", |problems| remote.check(problems)),
        }
    }
}

impl RemoteJwks {
    /// What it is asked for: `http://<host><path>`.
    pub fn uri(&self) -> String {
        let host = self.host.as_deref().unwrap_or(self.backend.as_str());
        format!("http://{host}{}", self.path)
    }

    fn check(&self, problems: &mut Problems) {
        let visible = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
        if !self.path.starts_with('/') || !self.path.bytes().all(visible) {
            let detail = format!(
                "{:?} is not a path: expected a leading \"/\" and visible ASCII without \"#\"",
                self.path
            );
            problems.note_at("path", "invalid_path", detail);
        }
        if let Some(host) = self.host.as_deref().filter(|host| !is_authority(host)) {
            let detail = format!("{host:?} is not a host: expected \"name\" or \"name:port\"");
            problems.note_at("host", "invalid_host", detail);
        }
        if self.cache_duration < MIN_CACHE_DURATION {
            let detail = format!("{}: expected at least {MIN_CACHE_DURATION}", self.cache_duration);
            problems.note_at("cacheDuration", "duration_out_of_range", detail);
        } else {
            check_span(self.cache_duration, "cacheDuration", problems);
        }
        check_span(self.timeout, "timeout", problems);
    }
}

/// A name or an IPv4 address, and a port if need be.
pub(crate) fn is_authority(host: &str) -> bool {
    let (name, port) = host.split_once(':').unwrap_or((host, "80"));
    let of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    !name.is_empty() && name.len() <= 253 && name.bytes().all(of_name) && port.parse::<u16>().is_ok()
}

fn check_inline(text: &str, problems: &mut Problems) {
    let size = ByteSize::from_bytes(u64::try_from(text.len()).unwrap_or(u64::MAX));
    if size > MAX_INLINE_SIZE {
        let detail = format!("{size}: expected at most {MAX_INLINE_SIZE}");
        return problems.note("size_out_of_range", detail);
    }
    if let Err(detail) = read(text).and_then(|keys| check_keys(&keys)) {
        problems.note("invalid_jwks", detail);
    }
}

/// The entries of `keys`.
fn read(text: &str) -> Result<Vec<Value>, String> {
    let jwks: Map<String, Value> =
        serde_json::from_str(text).map_err(|error| format!("not a JSON object: {error}"))?;
    match jwks.get("keys") {
        Some(Value::Array(keys)) => Ok(keys.clone()),
        Some(_) => Err("\"keys\" is not an array".to_owned()),
        None => Err("expected an array \"keys\" (RFC 7517 section 5)".to_owned()),
    }
}

/// Envoy refuses a set without a key that it can use.
fn check_keys(keys: &[Value]) -> Result<(), String> {
    let mut usable = false;
    for (index, key) in keys.iter().enumerate() {
        usable |= is_usable(key).map_err(|detail| format!("/keys/{index}: {detail}"))?;
    }
    if usable {
        Ok(())
    } else {
        let known = KEY_TYPES.map(|(name, _)| name).join(", ");
        Err(format!("{} keys, none with a \"kty\" of {known}", keys.len()))
    }
}

/// Whether a key is of a known type; an error when it is no key, or should not be here.
fn is_usable(key: &Value) -> Result<bool, String> {
    let text = |member: &str| key.get(member).and_then(Value::as_str);
    let kty = text("kty").ok_or("expected an object with a string \"kty\"")?;
    if key.get("d").is_some() {
        return Err("\"d\" makes it a private key: expected the public one".to_owned());
    }
    let Some((_, members)) = KEY_TYPES.iter().find(|(name, _)| *name == kty) else {
        return Ok(false);
    };
    match members.iter().find(|member| text(member).is_none()) {
        Some(missing) => Err(format!("a key of type {kty} needs a string {missing:?}")),
        None => Ok(true),
    }
}
