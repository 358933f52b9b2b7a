//! Documents: what people write, what the store keeps, what the API speaks. One shape everywhere.

pub mod backend;
mod bounds;
pub mod cache_policy;
mod cookie;
pub mod envoy_resource;
pub mod gateway;
pub mod hedge_policy;
pub mod jwks;
pub mod jwt;
pub mod key;
pub mod mode;
mod names;
mod parse;
pub mod rate_limit_policy;
#[cfg(feature = "schema")]
pub mod schema;
pub mod shard_map;
pub mod target_ref;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::name::Name;
use crate::problem::{Problem, Problems};
use backend::BackendSpec;
use cache_policy::CachePolicySpec;
use envoy_resource::EnvoyResourceSpec;
use gateway::GatewaySpec;
use hedge_policy::HedgePolicySpec;
use rate_limit_policy::RateLimitPolicySpec;
use shard_map::ShardMapSpec;
use target_ref::TargetRef;

/// The only version of the documents' schema so far.
pub const API_VERSION: &str = "weir.dev/v1alpha1";

/// What a document describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// A service with endpoints.
    Backend,
    /// Which answers a proxy keeps, and for how long.
    CachePolicy,
    /// A raw xDS resource.
    EnvoyResource,
    /// What a standalone proxy listens on, and its routes.
    Gateway,
    /// When a second try of a request is sent, and how many there may be.
    HedgePolicy,
    /// How much each client may ask for.
    RateLimitPolicy,
    /// How a key finds its shard.
    ShardMap,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Backend,
        Self::CachePolicy,
        Self::EnvoyResource,
        Self::Gateway,
        Self::HedgePolicy,
        Self::RateLimitPolicy,
        Self::ShardMap,
    ];

    /// As it stands in `kind:`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Backend => "Backend",
            Self::CachePolicy => "CachePolicy",
            Self::EnvoyResource => "EnvoyResource",
            Self::Gateway => "Gateway",
            Self::HedgePolicy => "HedgePolicy",
            Self::RateLimitPolicy => "RateLimitPolicy",
            Self::ShardMap => "ShardMap",
        }
    }

    /// As it stands in a REST path and on the command line.
    pub const fn plural(self) -> &'static str {
        match self {
            Self::Backend => "backends",
            Self::CachePolicy => "cachepolicies",
            Self::EnvoyResource => "envoyresources",
            Self::Gateway => "gateways",
            Self::HedgePolicy => "hedgepolicies",
            Self::RateLimitPolicy => "ratelimitpolicies",
            Self::ShardMap => "shardmaps",
        }
    }

    /// Whether documents of this kind are policies of a filter's slot.
    pub const fn attaches(self) -> bool {
        matches!(
            self,
            Self::CachePolicy | Self::HedgePolicy | Self::RateLimitPolicy | Self::ShardMap
        )
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Reads `ShardMap`, `shardmap` and `shardmaps` alike.
impl FromStr for Kind {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let known = |kind: &Self| {
            text.eq_ignore_ascii_case(kind.as_str()) || text.eq_ignore_ascii_case(kind.plural())
        };
        Self::ALL.into_iter().find(known).ok_or_else(|| {
            format!(
                "unknown kind {text:?}: expected one of {}",
                Self::ALL.map(Self::as_str).join(", ")
            )
        })
    }
}

/// Which document: `(kind, namespace, name)`. Written `ShardMap default/orders`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Identity {
    /// What it describes.
    pub kind: Kind,
    /// Its namespace; references stay inside.
    pub namespace: Name,
    /// Its name, unique per kind and namespace.
    pub name: Name,
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}/{}", self.kind, self.namespace, self.name)
    }
}

/// A document's name, labels, and (in answers) its revision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Metadata {
    /// The namespace; references stay inside.
    #[serde(default = "Name::default_namespace")]
    pub namespace: Name,
    /// Unique per kind and namespace.
    pub name: Name,
    /// For people and their tools; no meaning to Weir.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The revision at which the document last changed. Set by the control plane; a document sent with one is taken
    /// only if it is still the current one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
}

/// A document's body, by kind.
#[derive(Clone, Debug, PartialEq)]
pub enum Spec {
    /// A service with endpoints.
    Backend(BackendSpec),
    /// Which answers a proxy keeps, and for how long.
    CachePolicy(Box<CachePolicySpec>),
    /// A raw xDS resource.
    EnvoyResource(EnvoyResourceSpec),
    /// What a standalone proxy listens on, and its routes.
    Gateway(GatewaySpec),
    /// When a second try of a request is sent, and how many there may be.
    HedgePolicy(HedgePolicySpec),
    /// How much each client may ask for.
    RateLimitPolicy(RateLimitPolicySpec),
    /// How a key finds its shard.
    ShardMap(ShardMapSpec),
}

/// A document that has passed every check that needs no other document.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// Name and labels.
    pub metadata: Metadata,
    /// The body.
    pub spec: Spec,
}

impl Document {
    /// Reads and checks one document. On failure: every problem found, in the order of the document.
    ///
    /// `status` is accepted and dropped, so that what `weir get` prints can be applied again.
    pub fn from_value(value: Value) -> Result<Self, Vec<Problem>> {
        let document = parse::document(value)?;
        let problems = document.validate();
        if problems.is_empty() {
            Ok(document)
        } else {
            Err(problems)
        }
    }

    /// The document as JSON, as it is stored and answered.
    pub fn to_value(&self) -> Value {
        let spec = match &self.spec {
            Spec::Backend(spec) => serde_json::to_value(spec),
            Spec::CachePolicy(spec) => serde_json::to_value(spec),
            Spec::EnvoyResource(spec) => serde_json::to_value(spec),
            Spec::Gateway(spec) => serde_json::to_value(spec),
            Spec::HedgePolicy(spec) => serde_json::to_value(spec),
            Spec::RateLimitPolicy(spec) => serde_json::to_value(spec),
            Spec::ShardMap(spec) => serde_json::to_value(spec),
        };
        // Serialization of these types fails only for maps without string keys; there are none.
        let metadata = serde_json::to_value(&self.metadata).unwrap_or_default();
        serde_json::json!({
            "apiVersion": API_VERSION,
            "kind": self.kind().as_str(),
            "metadata": metadata,
            "spec": spec.unwrap_or_default(),
        })
    }

    /// What it describes.
    pub const fn kind(&self) -> Kind {
        match self.spec {
            Spec::Backend(_) => Kind::Backend,
            Spec::CachePolicy(_) => Kind::CachePolicy,
            Spec::EnvoyResource(_) => Kind::EnvoyResource,
            Spec::Gateway(_) => Kind::Gateway,
            Spec::HedgePolicy(_) => Kind::HedgePolicy,
            Spec::RateLimitPolicy(_) => Kind::RateLimitPolicy,
            Spec::ShardMap(_) => Kind::ShardMap,
        }
    }

    /// Which document it is.
    pub fn identity(&self) -> Identity {
        Identity {
            kind: self.kind(),
            namespace: self.metadata.namespace.clone(),
            name: self.metadata.name.clone(),
        }
    }

    /// What it is attached to; none for kinds that don't attach.
    pub fn target_refs(&self) -> &[TargetRef] {
        match &self.spec {
            Spec::ShardMap(spec) => &spec.target_refs,
            Spec::RateLimitPolicy(spec) => &spec.target_refs,
            Spec::CachePolicy(spec) => &spec.target_refs,
            Spec::HedgePolicy(spec) => &spec.target_refs,
            Spec::EnvoyResource(spec) => &spec.target_refs,
            Spec::Backend(_) | Spec::Gateway(_) => &[],
        }
    }

    /// Whether documents of this kind are policies of a filter's slot.
    pub const fn attaches(&self) -> bool {
        self.kind().attaches()
    }

    fn validate(&self) -> Vec<Problem> {
        let mut problems = Problems::default();
        problems.within("spec", |problems| match &self.spec {
            Spec::Backend(spec) => spec.check(problems),
            Spec::CachePolicy(spec) => spec.check(problems),
            Spec::EnvoyResource(spec) => spec.check(problems),
            Spec::Gateway(spec) => spec.check(problems),
            Spec::HedgePolicy(spec) => spec.check(problems),
            Spec::RateLimitPolicy(spec) => spec.check(problems),
            Spec::ShardMap(spec) => spec.check(problems),
        });
        problems.into_vec()
    }
}
