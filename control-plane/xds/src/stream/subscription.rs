//! Which resources of a type a proxy wants.

use std::collections::BTreeSet;

use weir_core::snapshot::ResourceType;

/// Whether a response of this type is the whole state, so that what is left out is removed.
pub(super) const fn is_full_set(resource_type: ResourceType) -> bool {
    matches!(resource_type, ResourceType::Cluster | ResourceType::Listener)
}

/// The names that a proxy asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Subscription {
    /// Whatever there is.
    Everything,
    /// These.
    Names(BTreeSet<String>),
}

impl Subscription {
    pub(super) fn new(resource_type: ResourceType, names: Vec<String>) -> Self {
        let wildcard = names.is_empty() || names.iter().any(|name| name == "*");
        if is_full_set(resource_type) && wildcard {
            Self::Everything
        } else {
            Self::Names(names.into_iter().collect())
        }
    }

    pub(super) fn selects(&self, name: &str) -> bool {
        match self {
            Self::Everything => true,
            Self::Names(names) => names.contains(name),
        }
    }
}
