//! Raw xDS resources: JSON in the proto3 mapping, checked against Envoy's own descriptors.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use envoy_types::pb::google::protobuf::Any;
use prost_reflect::prost::Message;
use prost_reflect::{
    DescriptorPool, DeserializeOptions, DynamicMessage, ReflectMessage, Value as ReflectValue,
};
use serde_json::{Map, Value};
use weir_policy::document::envoy_resource::EnvoyResourceSpec;
use weir_policy::document::{Document, Spec};
use weir_policy::problem::Problems;

use crate::node::GatewayRef;
use crate::snapshot::{Resource, ResourceType, Snapshot};
use crate::state::State;

/// Envoy's descriptors; reading them takes a fifth of a second, so it is done once and only when needed.
static DESCRIPTORS: LazyLock<Option<DescriptorPool>> = LazyLock::new(|| {
    DescriptorPool::decode(&include_bytes!(concat!(env!("OUT_DIR"), "/envoy-types.bin"))[..]).ok()
});

/// Names that Weir gives to resources begin so.
const RESERVED: &str = "weir/";

/// Notes everything wrong with a raw resource.
pub(crate) fn check(after: &State, document: &Document, spec: &EnvoyResourceSpec, problems: &mut Problems) {
    let (resource_type, name) = match identify(spec) {
        Ok(found) => found,
        Err(detail) => return problems.note("invalid_resource", detail),
    };
    if name.is_empty() || name.starts_with(RESERVED) {
        let field = name_field(resource_type);
        problems.note_at(
            field,
            "invalid_name",
            format!("{name:?}: expected a name that doesn't begin with {RESERVED:?}"),
        );
    }
    if let Err(detail) = encode(&spec.resource) {
        problems.note("invalid_resource", detail);
    }
    let namesake = after.documents().find(|(identity, stored)| {
        **identity != document.identity()
            && overlaps(&stored.document, document)
            && matches!(&stored.document.spec, Spec::EnvoyResource(other) if identify(other) == Ok((resource_type, name.clone())))
    });
    if let Some((other, _)) = namesake {
        problems.note(
            "duplicate_resource",
            format!("{other} has a resource of the same type and name {name:?}"),
        );
    }
}

/// Whether a proxy may get both.
fn overlaps(one: &Document, other: &Document) -> bool {
    let everyone = one.target_refs().is_empty() || other.target_refs().is_empty();
    let same_namespace = one.metadata.namespace == other.metadata.namespace;
    let shared = || {
        one.target_refs()
            .iter()
            .any(|a| other.target_refs().iter().any(|b| a.name == b.name))
    };
    everyone || (same_namespace && shared())
}

/// Adds the raw resources of a Gateway's proxies, or (without a Gateway) those that are for everyone.
pub(crate) fn add(state: &State, gateway: Option<&GatewayRef>, snapshot: &mut Snapshot) {
    let mut found: Vec<_> = state
        .documents()
        .filter(|(_, stored)| is_for(&stored.document, gateway))
        .filter_map(|(_, stored)| match &stored.document.spec {
            Spec::EnvoyResource(spec) => Some((identify(spec).ok()?, spec)),
            _ => None,
        })
        .collect();
    // Clusters first, so that what names them finds them.
    found.sort_by_key(|((resource_type, _), _)| *resource_type);
    for ((resource_type, name), spec) in found {
        if let Ok(body) = encode(&spec.resource) {
            let clusters = named_clusters(&spec.resource, snapshot);
            snapshot.insert(
                resource_type,
                Resource {
                    name,
                    version: version(&spec.resource, &clusters),
                    body,
                    again: None,
                    clusters,
                },
            );
        }
    }
}

fn is_for(document: &Document, gateway: Option<&GatewayRef>) -> bool {
    let targets = document.target_refs();
    let names = |gateway: &GatewayRef| {
        document.metadata.namespace == gateway.namespace
            && targets.iter().any(|target| target.name == gateway.name)
    };
    targets.is_empty() || gateway.is_some_and(names)
}

fn identify(spec: &EnvoyResourceSpec) -> Result<(ResourceType, String), String> {
    let resource_type = spec
        .type_url()
        .and_then(ResourceType::from_type_url)
        .ok_or("unknown resource type")?;
    let field = name_field(resource_type);
    let snake_case = "cluster_name";
    let name = spec.resource.get(field).or_else(|| spec.resource.get(snake_case));
    let name = name
        .and_then(Value::as_str)
        .ok_or_else(|| format!("expected a text in \"{field}\""))?;
    Ok((resource_type, name.to_owned()))
}

const fn name_field(resource_type: ResourceType) -> &'static str {
    match resource_type {
        ResourceType::Endpoint => "clusterName",
        _ => "name",
    }
}

/// A hash of the resource's JSON, since a message's maps have no order of their own, and of the clusters that it names,
/// which depend on what else is there.
fn version(resource: &Map<String, Value>, clusters: &BTreeSet<String>) -> u64 {
    let sorted: BTreeMap<&String, &Value> = resource.iter().collect();
    let json = serde_json::to_string(&(sorted, clusters)).unwrap_or_default();
    xxhash_rust::xxh3::xxh3_64(json.as_bytes())
}

fn encode(resource: &Map<String, Value>) -> Result<Any, String> {
    let type_url = resource.get("@type").and_then(Value::as_str).unwrap_or_default();
    let pool = DESCRIPTORS.as_ref().ok_or("Envoy's descriptors can't be read")?;
    let message_name = type_url.rsplit('/').next().unwrap_or_default();
    let descriptor = pool
        .get_message_by_name(message_name)
        .ok_or_else(|| format!("unknown type {type_url:?}"))?;
    let mut fields = resource.clone();
    fields.remove("@type");
    let options = DeserializeOptions::new().deny_unknown_fields(true);
    let message = DynamicMessage::deserialize_with_options(descriptor, Value::Object(fields), &options)
        .map_err(|error| error.to_string())?;
    refuse_negative_durations(&message)?;
    Ok(Any {
        type_url: type_url.to_owned(),
        value: message.encode_to_vec(),
    })
}

/// Envoy answers a negative duration by refusing every resource of the response without naming the guilty one.
fn refuse_negative_durations(message: &DynamicMessage) -> Result<(), String> {
    for (field, value) in message.fields() {
        let inner: Vec<&ReflectValue> = match value {
            ReflectValue::List(values) => values.iter().collect(),
            ReflectValue::Map(values) => values.values().collect(),
            value => vec![value],
        };
        for inner in inner.into_iter().filter_map(ReflectValue::as_message) {
            if is_negative(inner) {
                return Err(format!("{}: a duration can't be negative", field.full_name()));
            }
            refuse_negative_durations(inner)?;
        }
    }
    Ok(())
}

fn is_negative(message: &DynamicMessage) -> bool {
    let below_zero = |field: &str| {
        let value = message.get_field_by_name(field);
        value.is_some_and(|value| {
            value.as_i64().is_some_and(|seconds| seconds < 0) || value.as_i32().is_some_and(|nanos| nanos < 0)
        })
    };
    message.descriptor().full_name() == "google.protobuf.Duration"
        && (below_zero("seconds") || below_zero("nanos"))
}

/// The clusters of the snapshot that occur in the resource as a text.
fn named_clusters(resource: &Map<String, Value>, snapshot: &Snapshot) -> BTreeSet<String> {
    let mut named = BTreeSet::new();
    resource
        .values()
        .for_each(|value| collect(value, snapshot, &mut named));
    named
}

fn collect(value: &Value, snapshot: &Snapshot, named: &mut BTreeSet<String>) {
    match value {
        Value::String(text) if snapshot.of(ResourceType::Cluster).contains_key(text) => {
            named.insert(text.clone());
        }
        Value::Array(values) => values.iter().for_each(|value| collect(value, snapshot, named)),
        Value::Object(fields) => fields.values().for_each(|value| collect(value, snapshot, named)),
        _ => {}
    }
}
