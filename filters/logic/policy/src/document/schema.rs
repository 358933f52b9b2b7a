//! JSON Schemas of the documents, for editors and validators.

use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Value, json};

use super::backend::BackendSpec;
use super::cache_policy::CachePolicySpec;
use super::envoy_resource::EnvoyResourceSpec;
use super::gateway::GatewaySpec;
use super::hedge_policy::HedgePolicySpec;
use super::rate_limit_policy::RateLimitPolicySpec;
use super::shard_map::ShardMapSpec;
use super::{API_VERSION, Kind, Metadata};

/// The JSON Schema (draft 2020-12) of documents of `kind`.
pub fn of(kind: Kind) -> Value {
    match kind {
        Kind::Backend => document::<BackendSpec>(kind),
        Kind::CachePolicy => document::<CachePolicySpec>(kind),
        Kind::EnvoyResource => document::<EnvoyResourceSpec>(kind),
        Kind::Gateway => document::<GatewaySpec>(kind),
        Kind::HedgePolicy => document::<HedgePolicySpec>(kind),
        Kind::RateLimitPolicy => document::<RateLimitPolicySpec>(kind),
        Kind::ShardMap => document::<ShardMapSpec>(kind),
    }
}

fn document<S: JsonSchema>(kind: Kind) -> Value {
    let mut generator: SchemaGenerator = SchemaSettings::draft2020_12().into_generator();
    let metadata = generator.subschema_for::<Metadata>();
    let spec = generator.subschema_for::<S>();
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": kind.as_str(),
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "additionalProperties": false,
        "properties": {
            "apiVersion": {"const": API_VERSION},
            "kind": {"const": kind.as_str()},
            "metadata": metadata,
            "spec": spec,
            "status": {"description": "Written by the control plane; ignored in what is sent to it."}
        },
        "$defs": generator.take_definitions(true),
    })
}
