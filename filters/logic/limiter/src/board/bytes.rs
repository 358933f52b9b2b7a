//! The board as bytes in shared data.

use weir_quota::share::{ShareRecord, WHOLE};

use super::{Board, Entry, Granted, Lease};
use crate::key::Fingerprint;
use crate::limit::LimitId;

/// The first bytes of a board of this layout.
const MAGIC: &[u8] = b"weirbrd1";

impl Board {
    /// Reads a board; none if the bytes are none.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes.strip_prefix(MAGIC)?);
        let born = reader.u64()?;
        let reports = reader.u64()?;
        let lease = Lease {
            ends: reader.u64()?,
            length: reader.u64()?,
            proxies: reader.u32()?,
        };
        let count = reader.u32()?;
        let limits = (0..count).map(|_| reader.entry()).collect::<Option<Vec<_>>>()?;
        let sorted = limits.is_sorted_by(|one, next| one.limit < next.limit);
        sorted.then_some(Self {
            born,
            reports,
            lease: (lease.ends > 0).then_some(lease),
            limits,
        })
    }

    /// The board as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        let lease = self.lease.unwrap_or(Lease {
            ends: 0,
            length: 0,
            proxies: 0,
        });
        bytes.extend_from_slice(&self.born.to_le_bytes());
        bytes.extend_from_slice(&self.reports.to_le_bytes());
        bytes.extend_from_slice(&lease.ends.to_le_bytes());
        bytes.extend_from_slice(&lease.length.to_le_bytes());
        bytes.extend_from_slice(&lease.proxies.to_le_bytes());
        bytes.extend_from_slice(&length(self.limits.len()));
        for entry in &self.limits {
            entry.write(&mut bytes);
        }
        bytes
    }
}

impl Entry {
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.limit.0.to_le_bytes());
        bytes.extend_from_slice(&self.epoch.to_le_bytes());
        bytes.push(self.base.is_some().into());
        if let Some(base) = self.base {
            base.write(bytes);
        }
        bytes.extend_from_slice(&length(self.keys.len()));
        for (key, granted) in &self.keys {
            bytes.extend_from_slice(&key.0.to_le_bytes());
            granted.write(bytes);
        }
    }
}

impl Granted {
    fn write(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.before.to_le_bytes());
        bytes.extend_from_slice(&self.record.to_bytes());
        bytes.push(self.leaving.into());
    }
}

/// Lists on the board are far shorter than 2^32.
fn length(length: usize) -> [u8; 4] {
    u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes()
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

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn granted(&mut self) -> Option<Granted> {
        let before = self.u32()?;
        let record = ShareRecord::parse(&self.take::<{ ShareRecord::BYTES }>()?)?;
        let [leaving] = self.take()?;
        (before <= WHOLE).then_some(Granted {
            record,
            before,
            leaving: leaving != 0,
        })
    }

    fn entry(&mut self) -> Option<Entry> {
        let limit = LimitId(self.u64()?);
        let epoch = self.u32()?;
        let [has_base] = self.take()?;
        let base = if has_base == 0 {
            None
        } else {
            Some(self.granted()?)
        };
        let count = self.u32()?;
        let key = |reader: &mut Self| Some((Fingerprint(reader.u64()?), reader.granted()?));
        let keys = (0..count).map(|_| key(self)).collect::<Option<Vec<_>>>()?;
        let sorted = keys.is_sorted_by(|(one, _), (next, _)| one < next);
        sorted.then_some(Entry {
            limit,
            epoch,
            base,
            keys,
        })
    }
}
