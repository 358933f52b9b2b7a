//! EnvoyResource: the escape hatch, a raw xDS resource.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::document::target_ref::{TargetRef, check_target_refs};
use crate::problem::Problems;

/// The types of raw resources, by their `@type`.
pub const RESOURCE_TYPES: [&str; 5] = [
    "type.googleapis.com/envoy.config.cluster.v3.Cluster",
    "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment",
    "type.googleapis.com/envoy.config.listener.v3.Listener",
    "type.googleapis.com/envoy.config.route.v3.RouteConfiguration",
    "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret",
];

/// A raw xDS resource that goes into the snapshot as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnvoyResourceSpec {
    /// Which Gateways' proxies get it; empty: every proxy, known or not.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub target_refs: Vec<TargetRef>,
    /// The resource in the proto3 JSON mapping, its type in `@type`.
    #[cfg_attr(feature = "schema", schemars(with = "Map<String, Value>"))]
    pub resource: Map<String, Value>,
}

impl EnvoyResourceSpec {
    /// The `@type` of the resource.
    pub fn type_url(&self) -> Option<&str> {
        self.resource.get("@type")?.as_str()
    }

    /// Checks what can be checked without Envoy's own schemas; the control plane checks the rest.
    pub(crate) fn check(&self, problems: &mut Problems) {
        check_target_refs(&self.target_refs, problems);
        for (index, target) in self.target_refs.iter().enumerate() {
            if target.section_name.is_some() {
                problems.within("targetRefs", |problems| {
                    problems.within(index, |problems| {
                        problems.note_at(
                            "sectionName",
                            "unexpected_section",
                            "a raw resource is for whole Gateways",
                        )
                    });
                });
            }
        }
        if !self
            .type_url()
            .is_some_and(|type_url| RESOURCE_TYPES.contains(&type_url))
        {
            let detail = format!("expected one of {}", RESOURCE_TYPES.join(", "));
            problems.within("resource", |problems| {
                problems.note_at("@type", "unknown_resource_type", detail)
            });
        }
    }
}
