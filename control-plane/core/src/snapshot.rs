//! Snapshots: all xDS resources for one kind of node at one version; immutable, shared, encoded once.

mod build;
mod cluster;
mod encode;
mod endpoint;
mod header;
mod jwt;
mod listener;
mod retry;
mod route;
mod source;
mod wasm;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use envoy_types::pb::google::protobuf::Any;

use crate::node::NodeKind;
pub use build::view;
pub use listener::INTERNAL_HEADER_PREFIXES;

/// The types of resources, in the order in which a new configuration is made: what is named comes before what names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceType {
    /// CDS.
    Cluster,
    /// EDS.
    Endpoint,
    /// SDS.
    Secret,
    /// LDS.
    Listener,
    /// RDS.
    Route,
    /// ECDS.
    ExtensionConfig,
}

impl ResourceType {
    /// Every type.
    pub const ALL: [Self; 6] = [
        Self::Cluster,
        Self::Endpoint,
        Self::Secret,
        Self::Listener,
        Self::Route,
        Self::ExtensionConfig,
    ];

    /// As it stands in discovery requests.
    pub const fn type_url(self) -> &'static str {
        match self {
            Self::Cluster => "type.googleapis.com/envoy.config.cluster.v3.Cluster",
            Self::Endpoint => "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
            Self::Secret => "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
            Self::Listener => "type.googleapis.com/envoy.config.listener.v3.Listener",
            Self::Route => "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
            Self::ExtensionConfig => "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
        }
    }

    /// The short name of its service, for metrics and people: `CDS`, `EDS`, …
    pub const fn service(self) -> &'static str {
        match self {
            Self::Cluster => "CDS",
            Self::Endpoint => "EDS",
            Self::Secret => "SDS",
            Self::Listener => "LDS",
            Self::Route => "RDS",
            Self::ExtensionConfig => "ECDS",
        }
    }

    /// The type with this URL.
    pub fn from_type_url(type_url: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.type_url() == type_url)
    }
}

/// One encoded resource.
#[derive(Debug, PartialEq)]
pub struct Resource {
    /// Its name, unique per type.
    pub name: String,
    /// A hash of its content: equal on every replica and after restarts.
    pub version: u64,
    /// The resource as it goes out.
    pub body: Any,
    /// The same content in other bytes, for a second try of what was refused: Envoy takes bytes that it has seen last
    /// for known, even when it refused them (`FilterConfigSubscription::onConfigUpdate`).
    pub again: Option<Any>,
    /// The clusters that it sends requests to: it waits until the proxy has taken them.
    pub clusters: BTreeSet<String>,
}

/// The resources of one type, by name.
pub type Resources = BTreeMap<String, Arc<Resource>>;

/// All resources for one kind of node.
#[derive(Debug, Default, PartialEq)]
pub struct Snapshot {
    resources: BTreeMap<ResourceType, Resources>,
}

/// What a node gets.
#[derive(Clone, Debug, PartialEq)]
pub enum View {
    /// The snapshot of its Gateway.
    Assigned(Arc<Snapshot>),
    /// Its `node.cluster` names no Gateway that was ever there: the resources that are for everyone, nothing else.
    Unassigned(Arc<Snapshot>),
    /// Its Gateway was deleted: it is sent nothing, so that it keeps what it has.
    Gone,
}

/// Where snapshots come from.
pub trait SnapshotSource: Send + Sync + 'static {
    /// What nodes of this kind get now. Cheap when nothing has changed since the last call.
    fn view(&self, kind: &NodeKind) -> View;

    /// What nodes of this kind got lately, newest first, without the view. A proxy that was away may still rely on
    /// clusters of these.
    fn former(&self, kind: &NodeKind) -> Vec<Arc<Snapshot>>;
}

static NONE: Resources = BTreeMap::new();

impl Snapshot {
    /// Adds a resource; a later one of the same type and name replaces the earlier.
    pub fn insert(&mut self, resource_type: ResourceType, resource: Resource) {
        self.resources
            .entry(resource_type)
            .or_default()
            .insert(resource.name.clone(), Arc::new(resource));
    }

    /// The same snapshot, sharing with `older` what hasn't changed, so that comparing the two compares pointers.
    #[must_use]
    pub fn sharing(mut self, older: &Self) -> Self {
        for (resource_type, resources) in &mut self.resources {
            let known = older.of(*resource_type);
            for (name, resource) in resources {
                if let Some(same) = known.get(name).filter(|known| *known == resource) {
                    *resource = Arc::clone(same);
                }
            }
        }
        self
    }

    /// The resources of one type.
    pub fn of(&self, resource_type: ResourceType) -> &Resources {
        self.resources.get(&resource_type).unwrap_or(&NONE)
    }
}

/// The `version_info` of a set of resources: a hash of their names and contents, in hex.
pub fn version_info<'a>(resources: impl IntoIterator<Item = &'a Arc<Resource>>) -> String {
    let mut hasher = xxhash_rust::xxh3::Xxh3::new();
    for resource in resources {
        hasher.update(resource.name.as_bytes());
        hasher.update(&[0]);
        hasher.update(&resource.version.to_le_bytes());
    }
    format!("{:016x}", hasher.digest())
}
