//! Keys and shards, against a ring that is written down as its definition reads.

use std::fmt;

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;
use weir_wasm_tests::{Module, Process, Request, Worker};
use xxhash_rust::xxh3::xxh3_64;

use crate::asked::percent;
use crate::run::Violation;
use crate::text::{Text, header_byte};
use crate::vocabulary::{METHODS, one_of};

/// Shards, with weights, and keys of requests with one method.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Placement {
    pub(crate) shards: Vec<(String, u32)>,
    pub(crate) keys: Vec<Text>,
    pub(crate) method: String,
}

/// A few shards, keys of any bytes.
pub(crate) fn placement() -> impl Strategy<Value = Placement> {
    let shards = prop::collection::btree_map("[a-z0-9]([a-z0-9-]{0,6}[a-z0-9])?", 1..4_u32, 1..6);
    let key = prop::collection::vec(header_byte(), 1..40).prop_map(Text::plain);
    (shards, prop::collection::vec(key, 1..24), one_of(&METHODS)).prop_map(|(shards, keys, method)| {
        Placement {
            shards: shards.into_iter().collect(),
            keys,
            method,
        }
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
        for request in ways(&placement.method, &key) {
            for worker in plugin.workers() {
                placement.check_one(worker, request.clone(), owner)?;
                requests += 1;
            }
        }
    }
    Ok(requests)
}

fn said(error: impl fmt::Display) -> Violation {
    error.to_string()
}

/// The three places where a request can have its key; where there may be several values, the first is the key.
fn ways(method: &str, key: &[u8]) -> [Request; 3] {
    let at = |before: &[u8], after: &[u8]| {
        let path = [before, &percent(key), after].concat();
        Request::with_pseudo_headers(method.as_bytes(), &path, b"service.test")
    };
    [
        Request::new(method, "/")
            .header("x-user-id", key)
            .header("x-user-id", "second"),
        at(b"/?a=1&user=", b"&user=second"),
        at(b"/users/", b"?a=1"),
    ]
}

impl Placement {
    fn check_one(&self, worker: &Worker, request: Request, owner: &str) -> Result<(), Violation> {
        // RFC 9110 section 9.2.1.
        let safe = ["GET", "HEAD", "OPTIONS", "TRACE"].contains(&self.method.as_str());
        let cluster = format!("{owner}-{}", if safe { "read" } else { "write" });
        let headers = worker.request(request).map_err(said)?.headers;
        let found = (headers.text("x-weir-cluster"), headers.text("x-weir-shard"));
        if found == (Some(cluster), Some(owner.to_owned())) {
            return Ok(());
        }
        Err(format!("expected shard {owner}, found {headers:?}"))
    }

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
