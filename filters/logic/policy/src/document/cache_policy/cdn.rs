//! What a CDN in front is told.

use serde::{Deserialize, Serialize};

use super::cdn_purge::CdnPurgeSpec;
use crate::problem::Problems;

/// The longest value of a field, bytes.
const MAX_VALUE: usize = 1_024;

/// What a CDN in front is told.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CdnSpec {
    /// `CDN-Cache-Control` (RFC 9213) of answers that the origin gave none. `max-age=60, stale-while-revalidate=30`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<String>,
    /// `Surrogate-Control` of answers that the origin gave none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub surrogate_control: Option<String>,
    /// The header that names the tags; absent: none does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag_header: Option<TagHeader>,
    /// How it learns of purges; absent: it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub purge: Option<CdnPurgeSpec>,
}

/// A header that names tags.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum TagHeader {
    /// Between spaces.
    SurrogateKey,
    /// Between commas.
    CacheTag,
}

impl TagHeader {
    /// The header's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SurrogateKey => "surrogate-key",
            Self::CacheTag => "cache-tag",
        }
    }
}

impl CdnSpec {
    pub(super) fn check(&self, problems: &mut Problems) {
        let values = [
            ("cacheControl", &self.cache_control),
            ("surrogateControl", &self.surrogate_control),
        ];
        for (field, value) in values {
            if let Some(value) = value {
                problems.within(field, |problems| check_value(value, problems));
            }
        }
        if let Some(purge) = &self.purge {
            problems.within("purge", |problems| purge.check(problems));
        }
    }
}

/// Directives are of visible ASCII characters and spaces (RFC 9110 section 5.5).
fn check_value(value: &str, problems: &mut Problems) {
    let fits = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
    if value.trim().is_empty() || value.len() > MAX_VALUE || !value.bytes().all(fits) {
        let detail = format!("{value:?}: expected directives, 1 to {MAX_VALUE} visible ASCII characters");
        problems.note("invalid_header_value", detail);
    }
}
