//! Requests that pass the cache by.

use serde::{Deserialize, Serialize};

use crate::document::cookie::check_cookie_name;
use crate::document::names::{check_fields, check_names};
use crate::problem::Problems;

/// Requests that are neither answered from the cache nor fill it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BypassSpec {
    /// Those with one of these headers, lower-case.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<String>,
    /// Those with one of these cookies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cookies: Vec<String>,
}

impl BypassSpec {
    pub(super) fn check(&self, problems: &mut Problems) {
        check_fields(&self.headers, "headers", problems);
        check_names(&self.cookies, "cookies", problems, check_cookie_name);
    }
}
