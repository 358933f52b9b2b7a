//! Names: parts of `[a-z0-9-]`, no dots, no versions.

use std::borrow::Borrow;
use std::fmt;

use serde::{Deserialize, Serialize};

/// A DNS label: 1 to 63 characters of `[a-z0-9-]`, first and last of `[a-z0-9]`.
///
/// So a name can stand in `weir/<namespace>/<gateway>/<filter>`, in a statistic and in a Kubernetes object as it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(try_from = "String", into = "String")]
pub struct Name(
    #[cfg_attr(
        feature = "schema",
        schemars(
            length(min = 1, max = 63),
            regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")
        )
    )]
    String,
);

/// Why a string is not a [`Name`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InvalidName(String);

impl fmt::Display for InvalidName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "invalid name {:?}: expected 1 to 63 characters of a-z, 0-9 and '-', with a letter or digit first and last",
            self.0
        )
    }
}

impl std::error::Error for InvalidName {}

impl Name {
    /// The namespace of documents that name none.
    pub const DEFAULT_NAMESPACE: &'static str = "default";

    /// Checks `name`.
    pub fn try_new(name: impl Into<String>) -> Result<Self, InvalidName> {
        let name = name.into();
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let edge = |byte: Option<u8>| byte.is_some_and(|byte| byte != b'-');
        let bytes = name.as_bytes();
        let valid = bytes.len() <= 63
            && bytes.iter().copied().all(inner)
            && edge(bytes.first().copied())
            && edge(bytes.last().copied());
        if valid {
            Ok(Self(name))
        } else {
            Err(InvalidName(name))
        }
    }

    /// `default`, the namespace of documents that name none.
    pub fn default_namespace() -> Self {
        Self(Self::DEFAULT_NAMESPACE.to_owned())
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Name {
    type Error = InvalidName;
    fn try_from(name: String) -> Result<Self, InvalidName> {
        Self::try_new(name)
    }
}

impl std::str::FromStr for Name {
    type Err = InvalidName;
    fn from_str(name: &str) -> Result<Self, InvalidName> {
        Self::try_new(name)
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for Name {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_dns_labels_only() {
        for good in ["a", "orders", "orders-2", "0", &"a".repeat(63)] {
            assert!(Name::try_new(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a.b", "a/b", "ä", "a_b", &"a".repeat(64)] {
            assert!(Name::try_new(bad).is_err(), "{bad}");
        }
    }
}
