//! The placement `ring-v1` against `vectors/ring-v1.json`, which another implementation of XXH3 wrote.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use serde::Deserialize;
use weir_shard_map::Ring;
use xxhash_rust::xxh3::xxh3_64;

#[derive(Deserialize)]
struct Vectors {
    algorithm: String,
    keys: Vec<Key>,
    rings: Vec<Placement>,
}

#[derive(Deserialize)]
struct Key {
    text: Option<String>,
    hex: Option<String>,
    #[serde(default = "once")]
    times: usize,
    hash: String,
}

#[derive(Deserialize)]
struct Placement {
    shards: Vec<Shard>,
    points: Vec<Point>,
    owners: Vec<String>,
}

#[derive(Deserialize)]
struct Shard {
    name: String,
    weight: u32,
}

#[derive(Deserialize)]
struct Point {
    shard: String,
    node: u32,
    hash: String,
}

fn once() -> usize {
    1
}

fn number(hex: &str) -> u64 {
    u64::from_str_radix(hex, 16).unwrap()
}

fn bytes(key: &Key) -> Vec<u8> {
    if let Some(text) = &key.text {
        return text.as_bytes().repeat(key.times);
    }
    let hex = key.hex.as_ref().unwrap().as_bytes().chunks(2);
    let bytes: Vec<u8> = hex
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect();
    bytes.repeat(key.times)
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../vectors/ring-v1.json")).unwrap()
}

fn ring_of(placement: &Placement) -> Ring {
    let shards = placement.shards.iter();
    let shards: Vec<_> = shards.map(|shard| (&shard.name, shard.weight)).collect();
    Ring::try_new(&shards).unwrap()
}

#[test]
fn every_key_has_the_owner_that_it_always_had() {
    let vectors = vectors();
    assert_eq!(vectors.algorithm, "ring-v1");
    assert!(vectors.keys.len() >= 300 && vectors.rings.len() >= 6);
    for placement in &vectors.rings {
        let ring = ring_of(placement);
        assert_eq!(placement.owners.len(), vectors.keys.len());
        for (key, owner) in vectors.keys.iter().zip(&placement.owners) {
            let key = bytes(key);
            assert_eq!(&placement.shards[ring.owner(&key)].name, owner, "{key:?}");
        }
    }
}

#[test]
fn keys_and_virtual_nodes_have_the_hashes_that_they_always_had() {
    let vectors = vectors();
    for key in &vectors.keys {
        assert_eq!(xxh3_64(&bytes(key)), number(&key.hash));
    }
    for placement in &vectors.rings {
        let nodes: Vec<(u64, usize)> = ring_of(placement).nodes().collect();
        let expected = |point: &Point| {
            let owner = placement
                .shards
                .iter()
                .position(|shard| shard.name == point.shard);
            (number(&point.hash), owner.unwrap())
        };
        let points: Vec<_> = placement.points.iter().map(expected).collect();
        assert_eq!(nodes[..3], points[..3]);
        assert_eq!(nodes[nodes.len() - 2..], points[3..5]);
        let last = placement.points.last().unwrap();
        assert_eq!(last.node, 149);
        assert!(nodes.contains(points.last().unwrap()));
    }
}
