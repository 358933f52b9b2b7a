//! JWT: whose tokens a Gateway verifies, and how filters learn their claims.
//!
//! Envoy's `jwt_authn` filter verifies (RFC 7519), in front of every Weir filter, and writes the claims of the token
//! that it took into [`payload_header`]. No client can set that header: the listener and `jwt_authn` both remove what
//! was sent in it. It ends at the proxy.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::document::jwks::{Jwks, RemoteJwks};
use crate::matching::{check_header_name, is_token};
use crate::name::Name;
use crate::problem::Problems;

/// The most providers of one Gateway.
pub const MAX_PROVIDERS: usize = 16;
/// What the names of all payload headers start with.
pub const PAYLOAD_HEADER_PREFIX: &str = "x-weir-jwt-";

/// The request header in which filters find the claims of a token of this provider: its payload, a JSON object, in
/// base64url without padding (RFC 7515 section 2). Absent: the request has no verified token of this provider.
pub fn payload_header(provider: &Name) -> String {
    format!("{PAYLOAD_HEADER_PREFIX}{provider}")
}

/// Whose tokens a Gateway verifies.
///
/// A request with a token that is malformed, expired, of an issuer that no provider has, or whose signature doesn't
/// verify, is answered 401; one with a token for other audiences 403. All tokens at the places where a provider looks
/// must be that provider's. Where providers look at different places, the first of them with a valid token is enough:
/// only its claims reach filters, and tokens for later ones are not looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JwtSpec {
    /// Who issues tokens: 1 to 16, each with a name and an issuer of its own.
    #[cfg_attr(feature = "schema", schemars(length(min = 1, max = 16)))]
    pub providers: Vec<JwtProvider>,
    /// Whether a request without a token is answered 401. Otherwise it goes on, without claims.
    #[serde(default)]
    pub required: bool,
}

/// Who issues tokens, and how they are verified.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JwtProvider {
    /// Unique in the Gateway; what policies name it by. Access logs find the claims under it in the dynamic metadata of
    /// `envoy.filters.http.jwt_authn`.
    pub name: Name,
    /// The token's `iss`, byte for byte; unique in the Gateway, since a token finds its provider by it.
    #[cfg_attr(feature = "schema", schemars(length(min = 1)))]
    pub issuer: String,
    /// The token's `aud` must name one of these; empty: any audience, or none. Compared without `http://`, `https://` and
    /// a `/` at the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audiences: Vec<String>,
    /// The keys that verify signatures. Times (`exp`, `nbf`) are verified with a tolerance of 60 s.
    pub jwks: Jwks,
    /// Request headers that may hold the token. Without any `from…` field: `Authorization: Bearer <token>` and the query
    /// parameter `access_token`; with one, only what these fields say.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from_headers: Vec<TokenHeader>,
    /// Query parameters that may hold the token.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from_params: Vec<String>,
    /// Cookies that may hold the token.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from_cookies: Vec<String>,
    /// Whether the token goes on to the backend. A token in a cookie does in any case.
    #[serde(default = "default_forward")]
    pub forward: bool,
}

/// A request header that may hold the token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TokenHeader {
    /// Lower-case header name.
    pub name: String,
    /// What stands in front of the token, with its space: `Bearer `.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub value_prefix: String,
}

const fn default_forward() -> bool {
    true
}

impl JwtSpec {
    /// The Backends that keys are fetched from.
    pub fn backends(&self) -> impl Iterator<Item = &Name> {
        let remote = self.providers.iter().filter_map(JwtProvider::remote);
        remote.map(|remote| &remote.backend)
    }

    pub(crate) fn check(&self, problems: &mut Problems) {
        problems.within("providers", |problems| check_providers(&self.providers, problems));
    }
}

impl JwtProvider {
    /// Where its keys are fetched from, if they are.
    pub const fn remote(&self) -> Option<&RemoteJwks> {
        match &self.jwks {
            Jwks::Remote(remote) => Some(remote),
            Jwks::Inline(_) => None,
        }
    }

    fn check(&self, problems: &mut Problems) {
        if self.issuer.is_empty() {
            problems.note_at("issuer", "empty_issuer", "expected the value of \"iss\"");
        }
        check_each(&self.audiences, "audiences", problems, |audience, problems| {
            if audience.is_empty() {
                problems.note("empty_audience", "expected a value of \"aud\"");
            }
        });
        problems.within("jwks", |problems| self.jwks.check(problems));
        check_each(&self.from_headers, "fromHeaders", problems, TokenHeader::check);
        check_each(&self.from_params, "fromParams", problems, |name, problems| {
            if name.is_empty() {
                problems.note("empty_name", "expected the name of a query parameter");
            }
        });
        check_each(&self.from_cookies, "fromCookies", problems, |name, problems| {
            if !is_token(name) {
                let detail = format!("{name:?} is not a cookie's name (RFC 6265 section 4.1.1)");
                problems.note("invalid_cookie_name", detail);
            }
        });
    }
}

impl TokenHeader {
    fn check(&self, problems: &mut Problems) {
        problems.within("name", |problems| check_header_name(&self.name, problems));
        let printable = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
        if !self.value_prefix.bytes().all(printable) {
            let detail = format!("{:?}: expected printable ASCII", self.value_prefix);
            problems.note_at("valuePrefix", "invalid_prefix", detail);
        }
    }
}

fn check_providers(providers: &[JwtProvider], problems: &mut Problems) {
    if providers.is_empty() || providers.len() > MAX_PROVIDERS {
        problems.note(
            "invalid_providers",
            format!("{} providers: expected 1 to {MAX_PROVIDERS}", providers.len()),
        );
    }
    let (mut names, mut issuers) = (BTreeSet::new(), BTreeSet::new());
    for (index, provider) in providers.iter().enumerate() {
        problems.within(index, |problems| {
            if !names.insert(&provider.name) {
                let detail = format!("duplicate provider \"{}\"", provider.name);
                problems.note_at("name", "duplicate_provider", detail);
            }
            if !issuers.insert(&provider.issuer) {
                let detail = format!("issuer {:?} stands twice", provider.issuer);
                problems.note_at("issuer", "duplicate_issuer", detail);
            }
            provider.check(problems);
        });
    }
}

fn check_each<T>(items: &[T], field: &str, problems: &mut Problems, check: impl Fn(&T, &mut Problems)) {
    problems.within(field, |problems| {
        for (index, item) in items.iter().enumerate() {
            problems.within(index, |problems| check(item, problems));
        }
    });
}
