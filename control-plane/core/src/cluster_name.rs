//! Cluster names: `weir/<namespace>/<map>/<shard>/read|write`, `weir/<namespace>/backend/<backend>`,
//! `weir/<namespace>/gateway/<gateway>/self`.

use weir_policy::document::Identity;
use weir_policy::name::Name;

use crate::node::GatewayRef;

/// What a shard's cluster is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClusterRole {
    /// Replicas first, the primary when none is healthy.
    Read,
    /// The primary only.
    Write,
}

impl ClusterRole {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// The cluster of a shard.
pub(crate) fn shard_cluster(map: &Identity, shard: &Name, role: ClusterRole) -> String {
    format!("weir/{}/{}/{shard}/{}", map.namespace, map.name, role.as_str())
}

/// The cluster of a whole Backend, for the routes and the policies that name it.
pub(crate) fn backend_cluster(namespace: &Name, backend: &Name) -> String {
    format!("weir/{namespace}/backend/{backend}")
}

/// The cluster of a proxy's own listener.
pub(crate) fn own_cluster(gateway: &GatewayRef) -> String {
    format!("weir/{}/gateway/{}/self", gateway.namespace, gateway.name)
}
