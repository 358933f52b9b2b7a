//! What is fetched before anybody asks for it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::cdn_purge::{is_header_value, is_http_url};
use crate::document::bounds::check_range;
use crate::document::jwks::is_authority;
use crate::document::names::check_field_name;
use crate::name::Name;
use crate::problem::Problems;

/// The most strategies of one policy.
const MAX_STRATEGIES: usize = 32;
/// The most headers of one strategy.
const MAX_HEADERS: usize = 32;
/// The most URLs of one run.
pub const MAX_URLS: usize = 10_000;
/// The longest path, bytes.
pub const MAX_PATH: usize = 2_048;
/// Where a key stands in a template.
pub const KEY: &str = "{key}";

/// What is fetched before anybody asks for it: these paths of a host, at these times, through the proxies' own listeners.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WarmingSpec {
    /// Unique in the policy.
    pub name: Name,
    /// When, in UTC: minute, hour, day of the month, month, day of the week, and seconds before them if need be.
    /// `*/15 6-22 * * *`
    pub schedule: String,
    /// The host of the requests: `shop.example`.
    pub host: String,
    /// Paths, with queries if need be: at most 10,000.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// One path for each key, in place of `{key}`: `/products/{key}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<String>,
    /// Where the template's keys are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keys: Option<WarmKeys>,
    /// Headers of the requests: what a ShardMap finds its key by, what the key of the cache holds.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<WarmHeader>,
    /// How many requests a proxy makes at once: 1 to 64.
    #[serde(default = "default_parallelism")]
    #[cfg_attr(feature = "schema", schemars(range(min = 1, max = 64)))]
    pub parallelism: u32,
    /// How often a request that failed is made again: 0 to 10. Pauses begin with one second and double.
    #[serde(default = "default_retries")]
    #[cfg_attr(feature = "schema", schemars(range(max = 10)))]
    pub retries: u32,
}

/// Keys: an array in a JSON document that `weir serve` fetches when a run begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WarmKeys {
    /// Where the document is: `http[s]://HOST[:PORT]/PATH`.
    pub url: String,
    /// JSON pointer (RFC 6901) to the array; empty: the document is the array. `/items`
    #[serde(default)]
    pub pointer: String,
    /// The field of the array's objects that holds the key; absent: the array is of texts and numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
}

/// A header of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WarmHeader {
    /// Lower-case.
    pub name: String,
    /// Its value.
    pub value: String,
}

const fn default_parallelism() -> u32 {
    4
}

const fn default_retries() -> u32 {
    2
}

/// Notes what is wrong with the strategies of a policy.
pub(super) fn check_all(strategies: &[WarmingSpec], problems: &mut Problems) {
    if strategies.len() > MAX_STRATEGIES {
        let detail = format!(
            "{} strategies: expected at most {MAX_STRATEGIES}",
            strategies.len()
        );
        problems.note("too_many_strategies", detail);
    }
    let mut seen = BTreeSet::new();
    for (index, strategy) in strategies.iter().enumerate() {
        problems.within(index, |problems| {
            if !seen.insert(&strategy.name) {
                problems.note_at(
                    "name",
                    "duplicate_name",
                    format!("{} stands twice", strategy.name),
                );
            }
            strategy.check(problems);
        });
    }
}

impl WarmingSpec {
    fn check(&self, problems: &mut Problems) {
        if !is_authority(&self.host) {
            let detail = format!("{:?}: expected \"name\" or \"name:port\"", self.host);
            problems.note_at("host", "invalid_host", detail);
        }
        self.check_source(problems);
        self.check_headers(problems);
        let reason = "number_out_of_range";
        check_range(self.parallelism, 1..=64, "parallelism", reason, problems);
        check_range(self.retries, 0..=10, "retries", reason, problems);
    }

    fn check_source(&self, problems: &mut Problems) {
        match (&self.template, &self.keys) {
            (None, None) if !self.urls.is_empty() => {
                problems.within("urls", |problems| check_paths(&self.urls, problems));
            }
            (Some(template), Some(keys)) if self.urls.is_empty() => {
                if !is_path(template) || template.matches(KEY).count() != 1 {
                    let detail = format!("{template:?}: expected a path with one {KEY}");
                    problems.note_at("template", "invalid_template", detail);
                }
                problems.within("keys", |problems| keys.check(problems));
            }
            _ => problems.note("one_source", "expected urls, or template and keys"),
        }
    }

    fn check_headers(&self, problems: &mut Problems) {
        problems.within("headers", |problems| {
            if self.headers.len() > MAX_HEADERS {
                let detail = format!("{} headers: expected at most {MAX_HEADERS}", self.headers.len());
                problems.note("too_many_headers", detail);
            }
            for (index, header) in self.headers.iter().enumerate() {
                problems.within(index, |problems| header.check(problems));
            }
        });
    }
}

impl WarmKeys {
    fn check(&self, problems: &mut Problems) {
        if !is_http_url(&self.url) {
            let detail = format!("{:?}: expected http[s]://HOST[:PORT]/PATH", self.url);
            problems.note_at("url", "invalid_url", detail);
        }
        if !self.pointer.is_empty() && !self.pointer.starts_with('/') {
            let detail = format!("{:?}: expected a JSON pointer, \"/items\"", self.pointer);
            problems.note_at("pointer", "invalid_pointer", detail);
        }
    }
}

impl WarmHeader {
    fn check(&self, problems: &mut Problems) {
        problems.within("name", |problems| match self.name.as_str() {
            "host" | "content-length" => {
                problems.note("reserved_header", format!("{:?} is set anyway", self.name));
            }
            name => check_field_name(name, problems),
        });
        if !is_header_value(&self.value) {
            let detail = format!("{:?}: expected visible ASCII characters", self.value);
            problems.note_at("value", "invalid_header_value", detail);
        }
    }
}

/// Notes what is wrong with the paths of a run.
pub fn check_paths(paths: &[String], problems: &mut Problems) {
    if paths.len() > MAX_URLS {
        let detail = format!("{} URLs: expected at most {MAX_URLS}", paths.len());
        return problems.note("too_many_urls", detail);
    }
    for (index, path) in paths.iter().enumerate() {
        if !is_path(path) {
            let detail = format!("{path:?}: expected a path, 1 to {MAX_PATH} visible ASCII characters");
            problems.note_at(index, "invalid_path", detail);
        }
    }
}

/// Whether a request can be for it: a path, and a query if need be.
pub fn is_path(path: &str) -> bool {
    let visible = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
    path.starts_with('/') && path.len() <= MAX_PATH && path.bytes().all(visible)
}
