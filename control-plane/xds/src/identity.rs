//! Who a proxy says it is, in the first request of its stream.

use envoy_types::pb::envoy::config::core::v3::Node as ProtoNode;
use envoy_types::pb::envoy::config::core::v3::node::UserAgentVersionType;
use envoy_types::pb::envoy::service::discovery::v3::DiscoveryRequest;
use envoy_types::pb::google::protobuf::value::Kind;
use tonic::Status;
use weir_core::node::{DEFAULT_MODULES_DIR, Node};

/// The node of a first request.
pub(crate) fn node(request: &DiscoveryRequest) -> Result<Node, Status> {
    let node = request
        .node
        .as_ref()
        .filter(|node| !node.id.is_empty())
        .ok_or_else(|| Status::invalid_argument("the first request of a stream needs node.id"))?;
    Ok(Node {
        id: node.id.clone(),
        cluster: node.cluster.clone(),
        modules_dir: modules_dir(node).unwrap_or(DEFAULT_MODULES_DIR).to_owned(),
        version: version(node),
    })
}

/// `metadata["weir"]["modulesDir"]`.
fn modules_dir(node: &ProtoNode) -> Option<&str> {
    let Kind::StructValue(weir) = node.metadata.as_ref()?.fields.get("weir")?.kind.as_ref()? else {
        return None;
    };
    match weir.fields.get("modulesDir")?.kind.as_ref()? {
        Kind::StringValue(folder) => Some(folder),
        _ => None,
    }
}

fn version(node: &ProtoNode) -> String {
    match &node.user_agent_version_type {
        Some(UserAgentVersionType::UserAgentVersion(version)) => version.clone(),
        Some(UserAgentVersionType::UserAgentBuildVersion(build)) => {
            let version = build.version.unwrap_or_default();
            format!(
                "{}.{}.{}",
                version.major_number, version.minor_number, version.patch
            )
        }
        None => String::new(),
    }
}
