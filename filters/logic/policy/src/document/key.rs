//! Where a request's key is found.

use serde::{Deserialize, Serialize};

use crate::matching::{check_header_name, template_variables};
use crate::name::Name;
use crate::problem::Problems;
use crate::quantity::ByteSize;

/// The most key sources of one map.
pub const MAX_SOURCES: usize = 16;
/// The largest `maxSize` of a key.
pub const MAX_KEY_SIZE: ByteSize = ByteSize::from_bytes(8_192);

/// Where the key is found, and what happens to a request without one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeySpec {
    /// Tried in this order; the first that yields a key that is not empty is taken.
    pub sources: Vec<KeySource>,
    /// What happens to a request without a key.
    #[serde(default)]
    pub on_missing_key: OnMissingKey,
    /// A longer key is refused with 400.
    #[serde(default = "default_max_size")]
    pub max_size: ByteSize,
}

/// One place that may hold the key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum KeySource {
    /// The value of a request header, as bytes; of a repeated header, the first value. `{header: x-user-id}`
    Header(String),
    /// The value of a query parameter, percent-decoded. `{query: user}`
    Query(String),
    /// A variable of a path template, percent-decoded. `{path: {template: "/users/{id}/**", variable: id}}`
    Path(PathSource),
}

/// A variable of a path template.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PathSource {
    /// `/users/{id}/**`: `{name}` and `*` take one segment, a last `**` takes the rest. As in Envoy, the `/` before
    /// `**` belongs to the template: `/users/{id}/**` takes `/users/1/` and `/users/1/orders`, not `/users/1`.
    pub template: String,
    /// Which of its variables is the key; may be left out when there is only one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variable: Option<String>,
}

/// What happens to a request without a key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum OnMissingKey {
    /// 400 with a problem+json body (gRPC: INVALID_ARGUMENT).
    #[default]
    Reject,
    /// The request goes to this shard. `{defaultShard: a}`
    DefaultShard(Name),
}

const fn default_max_size() -> ByteSize {
    ByteSize::from_bytes(256)
}

impl KeySpec {
    /// Notes everything wrong; `is_shard` tells which names are shards of the map.
    pub(crate) fn check(&self, problems: &mut Problems, is_shard: impl Fn(&Name) -> bool) {
        problems.within("sources", |problems| check_sources(&self.sources, problems));
        if let OnMissingKey::DefaultShard(shard) = &self.on_missing_key
            && !is_shard(shard)
        {
            problems.within("onMissingKey", |problems| {
                problems.note_at(
                    "defaultShard",
                    "unknown_shard",
                    format!("\"{shard}\" is not a shard of this map"),
                );
            });
        }
        if self.max_size.as_bytes() == 0 || self.max_size > MAX_KEY_SIZE {
            problems.note_at(
                "maxSize",
                "size_out_of_range",
                format!("{}: expected 1B to {MAX_KEY_SIZE}", self.max_size),
            );
        }
    }
}

fn check_sources(sources: &[KeySource], problems: &mut Problems) {
    if sources.is_empty() || sources.len() > MAX_SOURCES {
        problems.note(
            "invalid_sources",
            format!("{} sources: expected 1 to {MAX_SOURCES}", sources.len()),
        );
    }
    for (index, source) in sources.iter().enumerate() {
        problems.within(index, |problems| source.check(problems));
    }
}

impl KeySource {
    pub(crate) fn check(&self, problems: &mut Problems) {
        match self {
            Self::Header(name) => problems.within("header", |problems| check_header_name(name, problems)),
            Self::Query(name) if name.is_empty() => {
                problems.note_at("query", "empty_name", "expected the name of a query parameter");
            }
            Self::Query(_) => {}
            Self::Path(path) => problems.within("path", |problems| path.check(problems)),
        }
    }
}

impl PathSource {
    fn check(&self, problems: &mut Problems) {
        let variables = match template_variables(&self.template) {
            Ok(variables) => variables,
            Err(detail) => return problems.note_at("template", "invalid_path_template", detail),
        };
        match (&self.variable, variables.as_slice()) {
            (_, []) => problems.note_at(
                "template",
                "no_variable",
                "expected a template with a variable, like \"/users/{id}\"",
            ),
            (None, [_]) => {}
            (None, _) => problems.note_at(
                "variable",
                "ambiguous_variable",
                format!(
                    "the template has several variables: expected one of {}",
                    variables.join(", ")
                ),
            ),
            (Some(name), _) if variables.contains(&name.as_str()) => {}
            (Some(name), _) => problems.note_at(
                "variable",
                "unknown_variable",
                format!(
                    "{name:?} is not in the template: expected one of {}",
                    variables.join(", ")
                ),
            ),
        }
    }

    /// The variable that is the key: the one named, or the template's only one.
    pub fn variable(&self) -> Option<&str> {
        match &self.variable {
            Some(name) => Some(name),
            None => template_variables(&self.template).ok()?.first().copied(),
        }
    }
}
