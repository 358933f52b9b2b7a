//! Where a ShardMap places keys.

use serde::Serialize;
use weir_policy::document::shard_map::{RingAlgorithm, ShardMapSpec, Strategy};
use weir_shard_map::Ring;

use crate::failure::Failure;

/// A ring and the names and weights of its shards.
pub(super) struct Placement {
    ring: Ring,
    shards: Vec<(String, u32)>,
}

/// A shard's part of the ring.
#[derive(Debug, Serialize)]
pub(super) struct Share {
    pub(super) shard: String,
    pub(super) weight: u32,
    /// 0 to 1: the part of all hashes that it owns.
    pub(super) share: f64,
}

impl Placement {
    pub(super) fn try_new(spec: &ShardMapSpec) -> Result<Self, Failure> {
        let Strategy::Hash(hash) = &spec.strategy;
        let RingAlgorithm::RingV1 = hash.algorithm;
        let shards: Vec<(String, u32)> = spec
            .shards
            .iter()
            .map(|shard| (shard.name.to_string(), shard.weight))
            .collect();
        let ring = Ring::try_new(&shards).map_err(|error| Failure::Refused(error.to_string()))?;
        Ok(Self { ring, shards })
    }

    /// The shard that owns `key`, by name.
    pub(super) fn owner(&self, key: &str) -> &str {
        self.shards
            .get(self.ring.owner(key.as_bytes()))
            .map_or("", |(name, _)| name)
    }

    /// Every shard's part, in the order of the map: the sum of the arcs that end at its virtual nodes.
    pub(super) fn shares(&self) -> Vec<Share> {
        let mut arcs = vec![0_u128; self.shards.len()];
        let mut last = self.ring.nodes().last().map_or(0, |(hash, _)| hash);
        for (hash, shard) in self.ring.nodes() {
            if let Some(arc) = arcs.get_mut(shard) {
                *arc += u128::from(hash.wrapping_sub(last));
            }
            last = hash;
        }
        let whole = arcs.iter().sum::<u128>().max(1) as f64;
        let share = |((shard, weight), arc): (&(String, u32), &u128)| Share {
            shard: shard.clone(),
            weight: *weight,
            share: *arc as f64 / whole,
        };
        self.shards.iter().zip(&arcs).map(share).collect()
    }
}
