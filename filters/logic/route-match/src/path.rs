//! Path patterns.

use regex_lite::Regex;
use weir_policy::matching::{PathMatch, whole};

use crate::template::PathTemplate;

/// A condition on the path (without query), compiled.
#[derive(Clone, Debug)]
pub enum PathPattern {
    /// The whole path, byte for byte.
    Exact(Box<[u8]>),
    /// See [`PathTemplate`].
    Template(PathTemplate),
    /// Whole segments, without the slash at their end: `/a` takes `/a` and `/a/b`, not `/ab`; `` takes every path.
    Prefix(Box<[u8]>),
    /// The whole path. A path that is not UTF-8 never matches.
    RegularExpression(Regex),
}

impl PathPattern {
    /// Compiles `path`, or says what is wrong with it.
    pub fn try_new(path: &PathMatch) -> Result<Self, String> {
        Ok(match path {
            PathMatch::Exact(path) => Self::Exact(path.as_bytes().into()),
            PathMatch::Template(template) => {
                Self::Template(PathTemplate::try_new(template).map_err(|error| error.to_string())?)
            }
            PathMatch::Prefix(prefix) => Self::Prefix(prefix.trim_end_matches('/').as_bytes().into()),
            PathMatch::RegularExpression(pattern) => {
                Self::RegularExpression(Regex::new(&whole(pattern)).map_err(|error| error.to_string())?)
            }
        })
    }

    /// Whether `path` (without query) is meant.
    pub fn matches(&self, path: &[u8]) -> bool {
        match self {
            Self::Exact(expected) => **expected == *path,
            Self::Template(template) => template.matches(path),
            Self::Prefix(prefix) => {
                let rest = path.strip_prefix(&**prefix);
                rest.is_some_and(|rest| rest.first().is_none_or(|byte| *byte == b'/'))
            }
            Self::RegularExpression(regex) => {
                std::str::from_utf8(path).is_ok_and(|path| regex.is_match(path))
            }
        }
    }
}
