//! Events: the only thing ever written; everything else is derived from them.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use weir_policy::document::Identity;
use weir_policy::name::Name;
use weir_policy::proxy::Notice;

use crate::cache::CdnOutcome;

/// The position of an event in the store: 1, 2, 3, … without gaps. 0 is "before the first".
pub type Revision = u64;

/// A fact that is not stored yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Change {
    /// A document was created or replaced.
    Put {
        /// Which.
        identity: Identity,
        /// The whole document, checked, without `status` and `metadata.revision`.
        document: Value,
    },
    /// A document was deleted.
    Delete {
        /// Which.
        identity: Identity,
    },
    /// The proxies of a namespace have to know something; no document changed.
    Notice {
        /// Whose proxies.
        namespace: Name,
        /// What.
        notice: Notice,
    },
    /// What is purged with a tag changed; no document did.
    CacheDependencies {
        /// Whose tag.
        namespace: Name,
        /// The tag.
        tag: String,
        /// On what it depends from now on; empty: on nothing.
        depends_on: Vec<String>,
    },
    /// A CDN was told of a purge, and of all before it; no document changed.
    CdnSettled {
        /// Whose CDN.
        policy: Identity,
        /// The purge.
        revision: Revision,
        /// How it ended.
        outcome: CdnOutcome,
    },
}

impl Change {
    /// Which document changed; none: no document did.
    pub const fn identity(&self) -> Option<&Identity> {
        match self {
            Self::Put { identity, .. } | Self::Delete { identity } => Some(identity),
            Self::Notice { .. } | Self::CacheDependencies { .. } | Self::CdnSettled { .. } => None,
        }
    }
}

/// A stored fact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its position.
    pub revision: Revision,
    /// When it was stored, Unix ms.
    pub at_ms: u64,
    /// What happened.
    pub change: Change,
}
