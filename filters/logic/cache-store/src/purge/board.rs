//! The board: the last purge, and those that are for much.

use super::Verdict;
use super::bucket::take_oldest;
use super::floor::Floor;

/// The first bytes of a board of this layout.
const MAGIC: &[u8] = b"weirprg1";
/// Most policies with a floor of their own, and most prefixes.
const MAX_ENTRIES: usize = 32;
/// A longer prefix purges all of its policy.
const MAX_PREFIX: usize = 1_024;

/// What all workers of a process know of the purges of a slot, beside those of single tags and URLs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Board {
    /// The last purge.
    pub(super) revision: u64,
    /// The control plane's revision of it.
    pub(super) cursor: u64,
    /// What all that is stored has to be newer than.
    floor: Floor,
    /// The same for single policies.
    policies: Vec<(u64, Floor)>,
    prefixes: Vec<Prefix>,
}

/// The purge of what begins with a text.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Prefix {
    /// The hash of the policy that it is for, or [`ANY`].
    policy: u64,
    floor: Floor,
    text: Vec<u8>,
}

/// Every policy: the hash of none.
pub(super) const ANY: u64 = 0;

impl Board {
    /// Purges all of a policy, or of every one.
    pub(super) fn purge_all(&mut self, policy: u64, by: Floor) {
        if policy == ANY {
            self.floor.raise(by);
            return;
        }
        if let Some((_, floor)) = self.policies.iter_mut().find(|(known, _)| *known == policy) {
            floor.raise(by);
            return;
        }
        self.policies.push((policy, by));
        if self.policies.len() > MAX_ENTRIES
            && let Some(folded) = take_oldest(&mut self.policies, |(_, floor)| floor.latest())
        {
            self.floor.raise(folded.1);
        }
    }

    /// Purges what begins with `text`. With all places taken the prefix that was purged longest ago becomes a purge of all of its policy.
    pub(super) fn purge_prefix(&mut self, policy: u64, text: &[u8], by: Floor) {
        if text.is_empty() || text.len() > MAX_PREFIX {
            self.purge_all(policy, by);
            return;
        }
        let is = |prefix: &&mut Prefix| prefix.policy == policy && prefix.text == text;
        if let Some(known) = self.prefixes.iter_mut().find(is) {
            known.floor.raise(by);
            return;
        }
        self.prefixes.push(Prefix {
            policy,
            floor: by,
            text: text.to_vec(),
        });
        if self.prefixes.len() > MAX_ENTRIES
            && let Some(folded) = take_oldest(&mut self.prefixes, |prefix| prefix.floor.latest())
        {
            self.purge_all(folded.policy, folded.floor);
        }
    }

    /// What the purges here mean for an object.
    pub(super) fn verdict(&self, policy: u64, url: &[u8], revision: u64) -> Verdict {
        let policies = self.policies.iter().filter(|(known, _)| *known == policy);
        let prefixes = self.prefixes.iter().filter(|prefix| {
            (prefix.policy == policy || prefix.policy == ANY) && url.starts_with(&prefix.text)
        });
        let mut floor = self.floor;
        policies.for_each(|(_, known)| floor.raise(*known));
        prefixes.for_each(|prefix| floor.raise(prefix.floor));
        floor.verdict(revision)
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend_from_slice(&self.revision.to_le_bytes());
        bytes.extend_from_slice(&self.cursor.to_le_bytes());
        bytes.extend_from_slice(&self.floor.to_bytes());
        bytes.push(u8::try_from(self.policies.len()).unwrap_or(u8::MAX));
        for (policy, floor) in &self.policies {
            write(&mut bytes, *policy, floor, &[]);
        }
        for prefix in &self.prefixes {
            write(&mut bytes, prefix.policy, &prefix.floor, &prefix.text);
        }
        bytes
    }

    /// Reads a board; none if the bytes are none.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes.strip_prefix(MAGIC)?);
        let mut board = Self {
            revision: reader.u64()?,
            cursor: reader.u64()?,
            floor: reader.floor()?,
            ..Self::default()
        };
        let [policies] = reader.take()?;
        for _ in 0..policies {
            let Prefix { policy, floor, .. } = reader.entry()?;
            board.policies.push((policy, floor));
        }
        while !reader.0.is_empty() {
            board.prefixes.push(reader.entry()?);
        }
        Some(board)
    }
}

fn write(bytes: &mut Vec<u8>, policy: u64, floor: &Floor, text: &[u8]) {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    bytes.extend_from_slice(&policy.to_le_bytes());
    bytes.extend_from_slice(&floor.to_bytes());
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(text);
}

struct Reader<'b>(&'b [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }

    fn floor(&mut self) -> Option<Floor> {
        self.take().map(|bytes| Floor::parse(&bytes))
    }

    fn entry(&mut self) -> Option<Prefix> {
        let (policy, floor) = (self.u64()?, self.floor()?);
        let length = u16::from_le_bytes(self.take()?);
        let (text, rest) = self.0.split_at_checked(length.into())?;
        self.0 = rest;
        Some(Prefix {
            policy,
            floor,
            text: text.to_vec(),
        })
    }
}
