//! Which answers are compressed in store.

use serde::{Deserialize, Serialize};

use super::limits::MAX_OBJECT;
use crate::document::bounds::check_range;
use crate::document::names::check_names;
use crate::matching::is_token;
use crate::problem::Problems;
use crate::quantity::ByteSize;

/// Which answers are compressed in store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CompressionSpec {
    /// Bodies of so many bytes or more: 1B to 64MiB.
    #[serde(default = "default_min_size")]
    pub min_size: ByteSize,
    /// Of these media types, lower-case: `text/html`, or `text/*`.
    #[serde(default = "default_types")]
    pub types: Vec<String>,
}

const fn default_min_size() -> ByteSize {
    ByteSize::from_bytes(1 << 10)
}

fn default_types() -> Vec<String> {
    let types = [
        "text/*",
        "application/json",
        "application/javascript",
        "application/xml",
        "image/svg+xml",
    ];
    types.map(str::to_owned).into()
}

impl CompressionSpec {
    pub(super) fn check(&self, problems: &mut Problems) {
        let range = ByteSize::from_bytes(1)..=MAX_OBJECT;
        check_range(self.min_size, range, "minSize", "size_out_of_range", problems);
        if self.types.is_empty() {
            problems.note_at("types", "no_types", "expected at least one media type");
        }
        check_names(&self.types, "types", problems, check_type);
    }
}

/// A media type without parameters (RFC 9110 section 8.3.1), or all of its subtypes.
fn check_type(name: &str, problems: &mut Problems) {
    let is_range = |(main, sub): (&str, &str)| is_token(main) && main != "*" && is_token(sub);
    let is_lower = !name.bytes().any(|byte| byte.is_ascii_uppercase());
    let fits = is_lower && name.split_once('/').is_some_and(is_range);
    let is_wild = name.contains('*') && !name.ends_with("/*");
    if !fits || is_wild {
        let detail = format!("{name:?}: expected a lower-case media type like \"text/html\", or \"text/*\"");
        problems.note("invalid_media_type", detail);
    }
}
