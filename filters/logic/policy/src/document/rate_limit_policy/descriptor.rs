//! Descriptors: the values of a request that say whose it is.

use serde::{Deserialize, Serialize};

use crate::document::cookie::check_cookie_name;
use crate::document::key::{KeySource, PathSource};
use crate::matching::check_header_name;
use crate::name::Name;
use crate::problem::Problems;

/// The longest path of a claim, bytes.
const MAX_NAME: usize = 256;
/// The most trusted hops.
const MAX_HOPS: u32 = 32;

/// One value of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Descriptor {
    /// The client's address. `{clientAddress: {trustedHops: 1}}`
    ClientAddress(ClientAddress),
    /// A request header, as bytes; of a repeated header, the first value. `{header: x-api-key}`
    Header(String),
    /// A cookie, as bytes; of a repeated cookie, the first value. `{cookie: session}`
    Cookie(String),
    /// A claim of a JSON Web Token. `{jwtClaim: {claim: sub}}`
    JwtClaim(JwtClaim),
    /// A variable of a path template, percent-decoded. `{path: {template: "/users/{id}/**"}}`
    Path(PathSource),
    /// The method.
    Method,
    /// The key by which a ShardMap finds a request's shard. `{shardKey: {shardMap: orders}}`
    ShardKey(ShardKey),
}

/// The client's address, and how much of it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientAddress {
    /// How many proxies stand between the clients and this one: 0 to 32. 0: the client is who opened the connection. n:
    /// `X-Forwarded-For` is read, n entries from its right end, where this proxy has noted its own peer last (Envoy's
    /// `use_remote_address`, set on every Gateway); what stands further left anyone can write. With n > 0 the
    /// proxy must be reachable through those proxies only: a client that connects directly writes what they would.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schemars(range(max = 32)))]
    pub trusted_hops: u32,
    /// The leading bits of an IPv4 address that count: 1 to 32.
    #[serde(default = "default_ipv4_prefix")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 32)))]
    pub ipv4_prefix: u8,
    /// The leading bits of an IPv6 address that count: 1 to 128. One subscriber usually has a /64 or more.
    #[serde(default = "default_ipv6_prefix")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 128)))]
    pub ipv6_prefix: u8,
}

/// A claim of a JSON Web Token.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JwtClaim {
    /// The claim's name; dots lead into objects: `realm_access.org`. A string, a whole number or a boolean.
    pub claim: String,
    /// The Gateway's JWT provider that must have verified the token; absent: any of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<Name>,
    /// Reads `Authorization: Bearer` without anyone having verified the token. Anyone can write any claim then: only where
    /// another proxy has verified it.
    #[serde(default)]
    pub unverified: bool,
}

/// The key of a ShardMap.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ShardKey {
    /// A ShardMap of the namespace.
    pub shard_map: Name,
}

const fn default_ipv4_prefix() -> u8 {
    32
}

const fn default_ipv6_prefix() -> u8 {
    64
}

impl Descriptor {
    pub(crate) fn check(&self, problems: &mut Problems) {
        match self {
            Self::ClientAddress(address) => {
                problems.within("clientAddress", |problems| address.check(problems));
            }
            Self::Header(name) => problems.within("header", |problems| check_header_name(name, problems)),
            Self::Cookie(name) => problems.within("cookie", |problems| check_cookie_name(name, problems)),
            Self::JwtClaim(claim) => problems.within("jwtClaim", |problems| claim.check(problems)),
            Self::Path(path) => KeySource::Path(path.clone()).check(problems),
            Self::Method | Self::ShardKey(_) => {}
        }
    }
}

impl ClientAddress {
    pub(super) fn check(self, problems: &mut Problems) {
        let mut range = |field: &str, value: u32, least: u32, most: u32| {
            if !(least..=most).contains(&value) {
                let detail = format!("{value}: expected {least} to {most}");
                problems.note_at(field, "number_out_of_range", detail);
            }
        };
        range("trustedHops", self.trusted_hops, 0, MAX_HOPS);
        range("ipv4Prefix", self.ipv4_prefix.into(), 1, 32);
        range("ipv6Prefix", self.ipv6_prefix.into(), 1, 128);
    }
}

impl JwtClaim {
    fn check(&self, problems: &mut Problems) {
        if self.claim.is_empty() || self.claim.len() > MAX_NAME || self.claim.split('.').any(str::is_empty) {
            let detail = format!(
                "{:?}: expected a claim's name, like \"sub\" or \"realm.org\"",
                self.claim
            );
            problems.note_at("claim", "invalid_claim", detail);
        }
        if self.unverified && self.provider.is_some() {
            let detail = "a token that nobody has verified has no provider";
            problems.note_at("provider", "unverified_provider", detail);
        }
    }
}
