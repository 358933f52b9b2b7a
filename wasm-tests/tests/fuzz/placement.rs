//! Keys and shards, against a ring that is written down as its definition reads.

use std::fmt;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;
use weir_wasm_tests::{Module, Process, Request};
use xxhash_rust::xxh3::xxh3_64;

use crate::asked::percent;
use crate::run::Violation;
use crate::text::{Text, header_byte};

/// Shards, with weights, and keys.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Placement {
    pub(crate) shards: Vec<(String, u32)>,
    pub(crate) keys: Vec<Text>,
}

/// A few shards, keys of any bytes.
pub(crate) fn placement() -> impl Strategy<Value = Placement> {
    let shards = prop::collection::btree_map("[a-z0-9]([a-z0-9-]{0,6}[a-z0-9])?", 1..4_u32, 1..6);
    let key = prop::collection::vec(header_byte(), 1..40).prop_map(Text::plain);
    (shards, prop::collection::vec(key, 1..24)).prop_map(|(shards, keys)| Placement {
        shards: shards.into_iter().collect(),
        keys,
    })
}

/// Every key has the same owner in every worker and wherever in the request it stands, and it is the ring's.
pub(crate) fn check(placement: &Placement) -> Result<u64, Violation> {
    let process = Process::new(2);
    let plugin = process.load(&Module::packed("shard-router").unwrap_or_else(|error| panic!("{error}")));
    plugin.configure(placement.configuration()).map_err(said)?;
    let nodes = placement.nodes();
    let mut requests = 0;
    for key in placement.keys.iter().map(Text::bytes) {
        let owner = owner(&nodes, &key);
        for request in ways(&key) {
            for worker in plugin.workers() {
                let headers = worker.request(request.clone()).map_err(said)?.headers;
                let found = headers.text("x-weir-shard");
                if found.as_deref() != Some(owner)
                    || headers.text("x-weir-cluster") != Some(format!("{owner}-read"))
                {
                    return Err(format!(
                        "{} belongs to {owner}: {headers:?} from {request:?}",
                        key.escape_ascii()
                    ));
                }
                requests += 1;
            }
        }
    }
    Ok(requests)
}

fn said(error: impl fmt::Display) -> Violation {
    error.to_string()
}

/// The three places where a request can have its key.
fn ways(key: &[u8]) -> [Request; 3] {
    let at = |before: &[u8]| {
        let path = [before, &percent(key)].concat();
        Request::with_pseudo_headers(b"GET", &path, b"service.test")
    };
    [
        Request::get("/").header("x-user-id", key),
        at(b"/?a=1&user="),
        at(b"/users/"),
    ]
}

impl Placement {
    fn configuration(&self) -> String {
        let shard = |(name, weight): &(String, u32)| json!({"name": name, "weight": weight, "readCluster": format!("{name}-read"), "writeCluster": format!("{name}-write")});
        let policy = json!({
            "keySources": [{"header": "x-user-id"}, {"query": "user"}, {"path": {"template": "/users/{id}"}}],
            "onMissingKey": "reject", "maxKeyBytes": 8192, "reads": "replicas",
            "strategy": {"hash": {"algorithm": "ring-v1"}},
            "shards": self.shards.iter().map(shard).collect::<Vec<_>>(),
        });
        json!({
            "format": 1, "slot": "weir/default/edge/shard-router", "generation": 1,
            "rules": [{"policy": "default/orders"}], "policies": {"default/orders": policy},
        })
        .to_string()
    }

    /// Where every virtual node stands, and whose it is.
    fn nodes(&self) -> Vec<(u64, &str)> {
        let of = |(name, weight): &'_ (String, u32)| {
            let name = name.clone();
            (0..150 * weight).map(move |node| xxh3_64(format!("{name}#{node}").as_bytes()))
        };
        let nodes = self
            .shards
            .iter()
            .flat_map(|shard| of(shard).map(|hash| (hash, shard.0.as_str())));
        nodes.collect()
    }
}

/// The shard of the node that comes first, going round from the key's hash.
fn owner<'n>(nodes: &[(u64, &'n str)], key: &[u8]) -> &'n str {
    let hash = xxh3_64(key);
    let nearest = nodes
        .iter()
        .min_by_key(|(node, name)| (node.wrapping_sub(hash), *name));
    nearest.unwrap().1
}
