//! The consistent hash ring `ring-v1`.

use std::fmt::Write;

use weir_policy::document::shard_map::{MAX_SHARDS, MAX_TOTAL_WEIGHT};
use xxhash_rust::xxh3::xxh3_64;

/// Virtual nodes per unit of weight.
pub const VIRTUAL_NODES: u32 = 150;

/// A consistent hash ring with the placement `ring-v1`.
///
/// Virtual node `i` (0 ≤ i < 150 · weight) of shard `s` stands at `xxh3_64("<s>#<i>")`, `i` in decimal ASCII,
/// XXH3 with 64 bits and seed 0. Nodes are ordered by (hash, shard name in bytes). The owner of a key is the shard
/// of the first node whose hash is at least `xxh3_64(key)`, or of the very first node where there is none.
/// The order in which shards are given has no meaning.
///
/// Building is O(n log n) in virtual nodes, a lookup is O(log n) and allocates nothing; a node takes ten bytes.
#[derive(Clone, Debug)]
pub struct Ring {
    /// Where the virtual nodes stand, ascending; apart from the owners, so that a search stays in few cache lines.
    hashes: Vec<u64>,
    /// Whose they are: indices into the shards given.
    owners: Vec<u16>,
}

/// Why shards make no ring.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RingError {
    /// There are none.
    #[error("a ring needs at least one shard")]
    Empty,
    /// More than 4096.
    #[error("{0} shards: expected at most {MAX_SHARDS}")]
    TooManyShards(usize),
    /// A name stands twice.
    #[error("duplicate shard \"{name}\"")]
    DuplicateShard {
        /// Where it stands the second time.
        index: usize,
        /// The name.
        name: String,
    },
    /// A shard has no weight.
    #[error("shard \"{name}\" has weight 0: expected at least 1")]
    ZeroWeight {
        /// Where it stands.
        index: usize,
        /// The name.
        name: String,
    },
    /// The ring would be too large for a proxy's worker.
    #[error("the weights sum to {0}: expected at most {MAX_TOTAL_WEIGHT}")]
    TotalWeight(u64),
}

impl Ring {
    /// A ring of `shards`, each a name and a weight.
    pub fn try_new<S: AsRef<str>>(shards: &[(S, u32)]) -> Result<Self, RingError> {
        let by_name = check(shards)?;
        let mut nodes = Vec::new();
        for (rank, (name, index)) in by_name.into_iter().enumerate() {
            let weight = shards.get(usize::from(index)).map_or(0, |(_, weight)| *weight);
            nodes.extend(virtual_nodes(name, weight).map(|hash| (hash, rank, index)));
        }
        nodes.sort_unstable();
        Ok(Self {
            hashes: nodes.iter().map(|(hash, ..)| *hash).collect(),
            owners: nodes.iter().map(|(.., index)| *index).collect(),
        })
    }

    /// The shard that owns `key`: its index in the shards that the ring was made of.
    pub fn owner(&self, key: &[u8]) -> usize {
        let hash = xxh3_64(key);
        let next = self.hashes.partition_point(|node| *node < hash);
        // A ring is never empty, so the first node is there to wrap to.
        let owner = self.owners.get(next).or(self.owners.first());
        owner.copied().map_or(0, usize::from)
    }

    /// The virtual nodes in their order: where each stands, and the index of its shard.
    pub fn nodes(&self) -> impl Iterator<Item = (u64, usize)> {
        let owners = self.owners.iter().copied().map(usize::from);
        self.hashes.iter().copied().zip(owners)
    }
}

/// Where the virtual nodes of one shard stand.
fn virtual_nodes(shard: &str, weight: u32) -> impl Iterator<Item = u64> {
    let mut label = String::from(shard);
    label.push('#');
    let stem = label.len();
    (0..VIRTUAL_NODES.saturating_mul(weight)).map(move |node| {
        label.truncate(stem);
        // Writing to a String can't fail.
        let _ = write!(label, "{node}");
        xxh3_64(label.as_bytes())
    })
}

/// The shards' names with their indices, by name.
fn check<S: AsRef<str>>(shards: &[(S, u32)]) -> Result<Vec<(&str, u16)>, RingError> {
    if shards.is_empty() {
        return Err(RingError::Empty);
    }
    if shards.len() > MAX_SHARDS {
        return Err(RingError::TooManyShards(shards.len()));
    }
    if let Some(index) = shards.iter().position(|(_, weight)| *weight == 0) {
        let name = shards.get(index).map_or("", |(name, _)| name.as_ref()).to_owned();
        return Err(RingError::ZeroWeight { index, name });
    }
    let total: u64 = shards.iter().map(|(_, weight)| u64::from(*weight)).sum();
    if total > u64::from(MAX_TOTAL_WEIGHT) {
        return Err(RingError::TotalWeight(total));
    }
    let names = shards.iter().map(|(name, _)| name.as_ref());
    let mut by_name: Vec<(&str, u16)> = names.zip(0..).collect();
    by_name.sort_unstable();
    match by_name
        .windows(2)
        .find(|pair| matches!(pair, [(one, _), (other, _)] if one == other))
    {
        Some([_, (name, index)]) => Err(RingError::DuplicateShard {
            index: usize::from(*index),
            name: (*name).to_owned(),
        }),
        _ => Ok(by_name),
    }
}
