//! Tags: by what answers are purged together.

use serde::{Deserialize, Serialize};

use crate::document::names::check_fields;
use crate::problem::Problems;

/// Where answers name their tags.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TagsSpec {
    /// Response headers with tags between spaces or commas, lower-case.
    #[serde(default = "default_headers")]
    pub headers: Vec<String>,
    /// Clients get these headers.
    #[serde(default)]
    pub forward: bool,
}

fn default_headers() -> Vec<String> {
    ["surrogate-key", "cache-tag"].map(str::to_owned).into()
}

impl Default for TagsSpec {
    fn default() -> Self {
        Self {
            headers: default_headers(),
            forward: false,
        }
    }
}

impl TagsSpec {
    pub(super) fn check(&self, problems: &mut Problems) {
        check_fields(&self.headers, "headers", problems);
    }
}
