//! How a CDN in front learns of purges.

use serde::{Deserialize, Serialize};

use super::{MAX_WAIT, SHORTEST};
use crate::document::bounds::check_duration;
use crate::document::jwks::is_authority;
use crate::document::names::check_field_name;
use crate::problem::Problems;
use crate::quantity::Duration;

/// The most headers.
const MAX_HEADERS: usize = 32;
/// The longest value of a header, and the longest URL, bytes.
const MAX_TEXT: usize = 2_048;
/// What a policy may name of the environment of `weir serve`: who writes policies does not learn the rest of it.
pub const ENV_PREFIX: &str = "WEIR_CDN_";

/// How a CDN in front learns of purges: `weir serve` posts each that is for this policy, as JSON, once it is durable, in order,
/// at least once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CdnPurgeSpec {
    /// Where it is posted: `http[s]://HOST[:PORT]/PATH`.
    pub url: String,
    /// Headers of the request.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<CdnHeader>,
    /// A request is given up, and made again later, after this: 1ms to 300s.
    #[serde(default = "default_timeout")]
    pub timeout: Duration,
}

/// A header: with a value, or with one from the environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CdnHeader {
    /// Lower-case.
    pub name: String,
    /// The value; no secret: whoever reads the policy reads it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The variable of `weir serve`'s environment that holds the value: `WEIR_CDN_…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_env: Option<String>,
}

const fn default_timeout() -> Duration {
    Duration::from_secs(10)
}

impl CdnPurgeSpec {
    pub(super) fn check(&self, problems: &mut Problems) {
        if !is_http_url(&self.url) {
            let detail = format!("{:?}: expected http[s]://HOST[:PORT]/PATH", self.url);
            problems.note_at("url", "invalid_url", detail);
        }
        problems.within("headers", |problems| {
            if self.headers.len() > MAX_HEADERS {
                let detail = format!("{} headers: expected at most {MAX_HEADERS}", self.headers.len());
                problems.note("too_many_headers", detail);
            }
            for (index, header) in self.headers.iter().enumerate() {
                problems.within(index, |problems| header.check(problems));
            }
        });
        check_duration(self.timeout, SHORTEST..=MAX_WAIT, "timeout", problems);
    }
}

impl CdnHeader {
    fn check(&self, problems: &mut Problems) {
        problems.within("name", |problems| match self.name.as_str() {
            "host" | "content-length" | "content-type" => {
                problems.note("reserved_header", format!("{:?} is set anyway", self.name));
            }
            name => check_field_name(name, problems),
        });
        match (&self.value, &self.from_env) {
            (Some(value), None) if !is_header_value(value) => {
                let detail = format!("{value:?}: expected at most {MAX_TEXT} visible ASCII characters");
                problems.note_at("value", "invalid_header_value", detail);
            }
            (None, Some(variable)) if !is_variable(variable) => {
                let detail = format!("{variable:?}: expected {ENV_PREFIX}… of A-Z, 0-9 and \"_\"");
                problems.note_at("fromEnv", "invalid_variable", detail);
            }
            (Some(_), None) | (None, Some(_)) => {}
            _ => problems.note("one_value", "expected one of value, fromEnv"),
        }
    }
}

pub(super) fn is_header_value(value: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
    value.len() <= MAX_TEXT && value.bytes().all(fits)
}

fn is_variable(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    name.len() <= 256
        && name
            .strip_prefix(ENV_PREFIX)
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(fits))
}

/// Whether it is an `http` or `https` URL with a host: without a login, and without a fragment.
pub(super) fn is_http_url(url: &str) -> bool {
    let visible = |byte: u8| byte.is_ascii_graphic() && !b"#\"<>\\^`{|}".contains(&byte);
    let schemes = ["http://", "https://"];
    let Some(rest) = schemes.iter().find_map(|scheme| url.strip_prefix(scheme)) else {
        return false;
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    url.len() <= MAX_TEXT && is_authority(authority) && path.bytes().all(visible)
}
