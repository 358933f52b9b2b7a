//! One ShardMap, compiled.

use weir_policy::compiled::ConfigError;
use weir_policy::compiled::shard_router::{CompiledShard, ShardMapPolicy};
use weir_policy::document::key::{MAX_KEY_SIZE, OnMissingKey};
use weir_policy::document::shard_map::{MAX_WEIGHT, Reads, RingAlgorithm, Strategy};
use weir_route_match::RequestView;

use crate::key::KeyReader;
use crate::ring::{Ring, RingError};

/// Finds the shard and the cluster of a request.
#[derive(Clone, Debug)]
pub struct Router {
    keys: KeyReader,
    default: Option<usize>,
    max_key_bytes: usize,
    ring: Ring,
    /// In the order of the policy; the first apart, so that there is always one.
    first: Shard,
    others: Vec<Shard>,
}

#[derive(Clone, Debug)]
struct Shard {
    name: Box<str>,
    read: Box<str>,
    write: Box<str>,
}

/// Where a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Target<'r> {
    /// The shard's index in the policy.
    pub index: usize,
    /// The shard's name.
    pub shard: &'r str,
    /// The cluster's name.
    pub cluster: &'r str,
}

/// Why a request goes nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// No source has a key.
    MissingKey,
    /// The key is longer than the policy allows.
    KeyTooLong {
        /// Bytes.
        length: usize,
        /// Bytes.
        limit: usize,
    },
}

impl Router {
    /// Checks and compiles `policy`; an error starts with the pointer to the field, relative to the policy.
    pub fn try_new(policy: &ShardMapPolicy) -> Result<Self, ConfigError> {
        let keys = KeyReader::try_new(&policy.key_sources).map_err(|problem| {
            ConfigError::Invalid(format!("/keySources{}: {}", problem.pointer, problem.detail))
        })?;
        let shards = policy.shards.iter().enumerate();
        let shards: Vec<Shard> = shards
            .map(|(index, shard)| compile_shard(index, shard, policy.reads))
            .collect::<Result<_, _>>()?;
        let ring = ring(policy)?;
        let mut shards = shards.into_iter();
        Ok(Self {
            keys,
            default: default_shard(policy)?,
            max_key_bytes: max_key_bytes(policy)?,
            ring,
            first: shards.next().ok_or_else(|| ring_invalid(RingError::Empty))?,
            others: shards.collect(),
        })
    }

    /// Where `request` goes. The method is read only where reads and writes have different clusters.
    pub fn route(&self, request: &(impl RequestView + ?Sized)) -> Result<Target<'_>, Rejection> {
        let index = self.shard_of(request)?;
        let shard = self.shard(index);
        let cluster = if shard.read == shard.write || !is_safe(request.method()) {
            &shard.write
        } else {
            &shard.read
        };
        Ok(Target {
            index,
            shard: &shard.name,
            cluster,
        })
    }

    /// The name of the shard that owns `key`.
    pub fn place(&self, key: &[u8]) -> &str {
        &self.shard(self.ring.owner(key)).name
    }

    /// The shards' names, in the order of the policy.
    pub fn shards(&self) -> impl Iterator<Item = &str> {
        std::iter::once(&self.first)
            .chain(&self.others)
            .map(|shard| &*shard.name)
    }

    fn shard_of(&self, request: &(impl RequestView + ?Sized)) -> Result<usize, Rejection> {
        let Some(key) = self.keys.key(request) else {
            return self.default.ok_or(Rejection::MissingKey);
        };
        if key.len() > self.max_key_bytes {
            return Err(Rejection::KeyTooLong {
                length: key.len(),
                limit: self.max_key_bytes,
            });
        }
        Ok(self.ring.owner(&key))
    }

    fn shard(&self, index: usize) -> &Shard {
        let other = index.checked_sub(1).and_then(|index| self.others.get(index));
        other.unwrap_or(&self.first)
    }
}

/// RFC 9110 section 9.2.1.
fn is_safe(method: Option<&[u8]>) -> bool {
    matches!(method, Some(b"GET" | b"HEAD" | b"OPTIONS" | b"TRACE"))
}

fn ring(policy: &ShardMapPolicy) -> Result<Ring, ConfigError> {
    let Strategy::Hash(hash) = &policy.strategy;
    let RingAlgorithm::RingV1 = hash.algorithm;
    let shards: Vec<(&str, u32)> = policy
        .shards
        .iter()
        .map(|shard| (shard.name.as_str(), shard.weight))
        .collect();
    Ring::try_new(&shards).map_err(ring_invalid)
}

fn ring_invalid(error: RingError) -> ConfigError {
    ConfigError::Invalid(match &error {
        RingError::DuplicateShard { index, .. } => format!("/shards/{index}/name: {error}"),
        RingError::ZeroWeight { index, .. } => format!("/shards/{index}/weight: {error}"),
        RingError::Empty | RingError::TooManyShards(_) | RingError::TotalWeight(_) => {
            format!("/shards: {error}")
        }
    })
}

fn compile_shard(index: usize, shard: &CompiledShard, reads: Reads) -> Result<Shard, ConfigError> {
    let at = |field: &str, detail: String| ConfigError::Invalid(format!("/shards/{index}/{field}: {detail}"));
    if shard.weight > MAX_WEIGHT {
        let detail = format!("weight {}: expected 1 to {MAX_WEIGHT}", shard.weight);
        return Err(at("weight", detail));
    }
    for (field, cluster) in [
        ("readCluster", &shard.read_cluster),
        ("writeCluster", &shard.write_cluster),
    ] {
        if cluster.is_empty() || !cluster.bytes().all(|byte| byte.is_ascii_graphic()) {
            let detail = format!("{cluster:?} is not a cluster's name: expected visible ASCII characters");
            return Err(at(field, detail));
        }
    }
    let read = match reads {
        Reads::Replicas => &shard.read_cluster,
        Reads::Primary => &shard.write_cluster,
    };
    Ok(Shard {
        name: shard.name.as_str().into(),
        read: read.as_str().into(),
        write: shard.write_cluster.as_str().into(),
    })
}

fn default_shard(policy: &ShardMapPolicy) -> Result<Option<usize>, ConfigError> {
    let OnMissingKey::DefaultShard(name) = &policy.on_missing_key else {
        return Ok(None);
    };
    let index = policy.shards.iter().position(|shard| shard.name == *name);
    index.map(Some).ok_or_else(|| {
        ConfigError::Invalid(format!(
            "/onMissingKey/defaultShard: \"{name}\" is not a shard of this map"
        ))
    })
}

fn max_key_bytes(policy: &ShardMapPolicy) -> Result<usize, ConfigError> {
    let (found, limit) = (u64::from(policy.max_key_bytes), MAX_KEY_SIZE.as_bytes());
    match usize::try_from(found) {
        Ok(bytes) if (1..=limit).contains(&found) => Ok(bytes),
        _ => Err(ConfigError::Invalid(format!(
            "/maxKeyBytes: {found}: expected 1 to {limit}"
        ))),
    }
}
