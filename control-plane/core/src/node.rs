//! Nodes: what a proxy says of itself, and which snapshot that earns it.

use weir_policy::name::Name;

/// Where a proxy keeps its modules when its metadata don't say.
pub const DEFAULT_MODULES_DIR: &str = "/var/lib/weir/modules";

/// What a proxy says of itself in the first request of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// `node.id`: unique in the fleet.
    pub id: String,
    /// `node.cluster`: `<namespace>/<gateway>`.
    pub cluster: String,
    /// `node.metadata["weir"]["modulesDir"]`: the folder of `<sha256>.wasm` files on the proxy's host.
    pub modules_dir: String,
    /// `user_agent_version`, for people; empty when not said.
    pub version: String,
}

/// Everything that a snapshot depends on: proxies of one kind share one snapshot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeKind {
    /// The Gateway that `node.cluster` names; none when it names none.
    pub gateway: Option<GatewayRef>,
    /// The folder of modules on the proxy's host.
    pub modules_dir: String,
}

/// A Gateway by namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GatewayRef {
    /// Its namespace.
    pub namespace: Name,
    /// Its name.
    pub name: Name,
}

impl std::fmt::Display for GatewayRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl GatewayRef {
    /// Reads `<namespace>/<gateway>`.
    pub fn parse(text: &str) -> Option<Self> {
        let (namespace, name) = text.split_once('/')?;
        Some(Self {
            namespace: namespace.parse().ok()?,
            name: name.parse().ok()?,
        })
    }
}

impl Node {
    /// Its kind.
    pub fn kind(&self) -> NodeKind {
        NodeKind {
            gateway: GatewayRef::parse(&self.cluster),
            modules_dir: self.modules_dir.clone(),
        }
    }
}
