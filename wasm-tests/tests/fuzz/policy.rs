//! One ShardMap of a valid configuration.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

use crate::vocabulary::{HEADERS, QUERIES, TEMPLATES, one_of};

/// A valid policy.
pub(crate) fn policy() -> impl Strategy<Value = Value> {
    let sources = prop_oneof![
        9 => prop::collection::vec(key_source(), 1..4),
        1 => prop::collection::vec(key_source(), 16),
    ];
    let missing = prop::option::of(any::<Index>());
    (sources, missing, key_limit(), any::<bool>(), shards()).prop_map(
        |(sources, missing, limit, replicas, shards)| {
            let missing = match missing {
                Some(index) => json!({"defaultShard": index.get(&shards)["name"]}),
                None => json!("reject"),
            };
            json!({
                "keySources": sources,
                "onMissingKey": missing,
                "maxKeyBytes": limit,
                "strategy": {"hash": {"algorithm": "ring-v1"}},
                "reads": if replicas { "replicas" } else { "primary" },
                "shards": shards,
            })
        },
    )
}

fn key_limit() -> impl Strategy<Value = u32> {
    prop_oneof![Just(8_192), Just(1), 1..64_u32]
}

fn key_source() -> impl Strategy<Value = Value> {
    prop_oneof![
        select(&HEADERS[..]).prop_map(|name| json!({"header": name})),
        select(&QUERIES[..]).prop_map(|name| json!({"query": name})),
        (one_of(&TEMPLATES), any::<Index>(), any::<bool>()).prop_map(path_source),
    ]
}

/// The variable may be left out where the template has only one.
fn path_source((template, index, named): (String, Index, bool)) -> Value {
    let mut names: Vec<&str> = template.split('{').skip(1).collect();
    names
        .iter_mut()
        .for_each(|name| *name = name.split('}').next().unwrap());
    if named || names.len() > 1 {
        json!({"path": {"template": template, "variable": index.get(&names)}})
    } else {
        json!({"path": {"template": template}})
    }
}

/// A few shards of small weight; now and then many, or heavy ones.
fn shards() -> impl Strategy<Value = Vec<Value>> {
    let of = |name, weight, count| {
        prop::collection::vec((name, weight, any::<bool>()), count).prop_map(|shards| {
            let shards = shards.into_iter().enumerate();
            shards
                .map(|(place, (name, weight, split))| shard(&format!("{name}{place}"), weight, split))
                .collect()
        })
    };
    prop_oneof![
        30 => of("[a-z0-9]([a-z0-9-]{0,8})", 1..4_u32, 1..6_usize),
        1 => of("[a-z0-9]([a-z0-9-]{0,57})", 1..2_u32, 6..60_usize),
        1 => of("[a-z]", 20..60_u32, 1..3_usize),
    ]
}

/// A shard whose reads and writes go to clusters of their own, or to one.
fn shard(name: &str, weight: u32, split: bool) -> Value {
    let write = format!("weir/default/orders/{name}/write");
    let read = if split {
        format!("weir/{name}\"\\~/read")
    } else {
        write.clone()
    };
    json!({"name": name, "weight": weight, "readCluster": read, "writeCluster": write})
}
