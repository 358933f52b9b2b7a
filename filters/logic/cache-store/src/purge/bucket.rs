//! Purges of single tags and URLs, in a bounded number of values.

use super::floor::Floor;

/// How many buckets there are.
pub(super) const BUCKETS: u64 = 256;
/// Most entries of one.
const MAX_ENTRIES: usize = 16;
/// Bytes of an entry: hash (a u64), floor.
const ENTRY: usize = 24;

/// The purges of some of the tags and URLs, as bytes: the floor of all that falls in here, then entries. Bytes that are no bucket are
/// an empty one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bucket {
    floor: Floor,
    entries: Vec<(u64, Floor)>,
}

fn entry(bytes: &[u8; ENTRY]) -> Option<(u64, Floor)> {
    let (hash, floor) = bytes.split_first_chunk()?;
    Some((u64::from_le_bytes(*hash), Floor::parse(floor.first_chunk()?)))
}

impl Bucket {
    pub(super) fn parse(bytes: &[u8]) -> Self {
        let Some((floor, entries)) = bytes.split_first_chunk() else {
            return Self::default();
        };
        let (entries, rest) = entries.as_chunks();
        if entries.len() > MAX_ENTRIES || !rest.is_empty() {
            return Self::default();
        }
        Self {
            floor: Floor::parse(floor),
            entries: entries.iter().filter_map(entry).collect(),
        }
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.floor.to_bytes().to_vec();
        for (hash, floor) in &self.entries {
            bytes.extend_from_slice(&hash.to_le_bytes());
            bytes.extend_from_slice(&floor.to_bytes());
        }
        bytes
    }

    /// Takes up a purge. With all places taken the entry that was purged longest ago goes, and with it whatever falls in here and is as
    /// old.
    pub(super) fn raise(&mut self, hash: u64, by: Floor) {
        let known = self.entries.iter_mut().find(|(known, _)| *known == hash);
        if let Some((_, floor)) = known {
            floor.raise(by);
            return;
        }
        self.entries.push((hash, by));
        if self.entries.len() > MAX_ENTRIES
            && let Some(folded) = take_oldest(&mut self.entries, |(_, floor)| floor.latest())
        {
            self.floor.raise(folded.1);
        }
    }

    /// What purges of `hash` mean.
    pub(super) fn floor(&self, hash: u64) -> Floor {
        let mut floor = self.floor;
        let entry = self.entries.iter().find(|(known, _)| *known == hash);
        entry.into_iter().for_each(|(_, known)| floor.raise(*known));
        floor
    }
}

/// Takes that of the entries out that was purged longest ago.
pub(super) fn take_oldest<T>(entries: &mut Vec<T>, latest: impl Fn(&T) -> u64) -> Option<T> {
    let oldest = (0..entries.len()).min_by_key(|at| entries.get(*at).map(&latest));
    oldest.map(|at| entries.swap_remove(at))
}
