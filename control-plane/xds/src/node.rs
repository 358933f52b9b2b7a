//! What a proxy says of itself, out of its first request.

use envoy_types::pb::envoy::config::core::v3 as core;
use envoy_types::pb::google::protobuf::value::Kind;
use envoy_types::pb::google::protobuf::{Struct, Value};
use tonic::Status;
use weir_core::node::{DEFAULT_MODULES_DIR, Node};

/// Reads the node of the first request.
///
/// # Errors
/// `INVALID_ARGUMENT` when there is none, when it has no id, or when a field that matters has another type.
pub(crate) fn read(node: Option<core::Node>) -> Result<Node, Status> {
    let node = node.ok_or_else(|| {
        invalid("node: missing in the first request of the stream; expected id and cluster")
    })?;
    if node.id.is_empty() {
        return Err(invalid(
            "node.id: empty; expected a name that is unique among all proxies",
        ));
    }
    Ok(Node {
        modules_dir: modules_dir(node.metadata.as_ref())?,
        version: node.user_agent_version_type.map(version).unwrap_or_default(),
        id: node.id,
        cluster: node.cluster,
    })
}

fn modules_dir(metadata: Option<&Struct>) -> Result<String, Status> {
    let Some(weir) = metadata.and_then(|metadata| metadata.fields.get("weir")) else {
        return Ok(DEFAULT_MODULES_DIR.to_owned());
    };
    let Some(Kind::StructValue(weir)) = &weir.kind else {
        return Err(invalid("node.metadata.weir: expected an object"));
    };
    weir.fields
        .get("modulesDir")
        .map_or_else(|| Ok(DEFAULT_MODULES_DIR.to_owned()), path)
}

fn path(value: &Value) -> Result<String, Status> {
    match &value.kind {
        Some(Kind::StringValue(path)) if path.starts_with('/') => Ok(path.clone()),
        _ => Err(invalid(
            "node.metadata.weir.modulesDir: expected an absolute path",
        )),
    }
}

fn version(said: core::node::UserAgentVersionType) -> String {
    use core::node::UserAgentVersionType::{UserAgentBuildVersion, UserAgentVersion};
    match said {
        UserAgentVersion(version) => version,
        UserAgentBuildVersion(build) => build.version.map_or_else(String::new, |version| {
            format!(
                "{}.{}.{}",
                version.major_number, version.minor_number, version.patch
            )
        }),
    }
}

fn invalid(why: &str) -> Status {
    Status::invalid_argument(why)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> Value {
        Value {
            kind: Some(Kind::StringValue(value.to_owned())),
        }
    }

    fn object(key: &str, value: Value) -> Struct {
        Struct {
            fields: [(key.to_owned(), value)].into(),
        }
    }

    fn with_metadata(metadata: Struct) -> Result<Node, Status> {
        read(Some(core::Node {
            id: "edge-1".to_owned(),
            cluster: "default/edge".to_owned(),
            metadata: Some(metadata),
            ..core::Node::default()
        }))
    }

    fn weir(value: Struct) -> Struct {
        object(
            "weir",
            Value {
                kind: Some(Kind::StructValue(value)),
            },
        )
    }

    #[test]
    fn the_modules_folder_comes_from_the_metadata() {
        let said = with_metadata(weir(object("modulesDir", text("/srv/modules")))).unwrap();
        assert_eq!(said.modules_dir, "/srv/modules");
        let silent = with_metadata(object("other", text("x"))).unwrap();
        assert_eq!(silent.modules_dir, DEFAULT_MODULES_DIR);
    }

    #[test]
    fn wrong_metadata_are_named() {
        let relative = with_metadata(weir(object("modulesDir", text("modules")))).unwrap_err();
        assert_eq!(
            relative.message(),
            "node.metadata.weir.modulesDir: expected an absolute path"
        );
        let text = with_metadata(object("weir", text("x"))).unwrap_err();
        assert_eq!(text.message(), "node.metadata.weir: expected an object");
    }
}
