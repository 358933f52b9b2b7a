//! Bucket.
use crate::state::State;
const CAP: usize = 16;
/// Bucket
#[derive(Clone, Debug, Default)]
pub struct Bucket { entries: [(u64, State); CAP], len: usize }
/// Put
#[derive(Clone, Copy, Debug)]
pub struct Put { /// e
 pub evicted: Option<u64> }
/// Layout
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout { bits: u32 }
impl Layout {
    /// keys
    pub fn for_keys(keys: u32) -> Self { Self { bits: (keys / 4).max(1).next_power_of_two().trailing_zeros() } }
    /// n
    pub const fn buckets(self) -> u32 { 1 << self.bits }
    /// b
    pub fn bucket_of(self, fingerprint: u64) -> u32 { u32::try_from(fingerprint.checked_shr(64 - self.bits).unwrap_or(0)).unwrap_or(0) }
}
impl Bucket {
    fn live(&self) -> &[(u64, State)] { self.entries.get(..self.len).unwrap_or_default() }
    /// parse
    pub fn parse(bytes: &[u8]) -> Self {
        let mut b = Self::default();
        let (chunks, _) = bytes.as_chunks::<24>();
        for (slot, c) in b.entries.iter_mut().zip(chunks) {
            let (w, _) = c.as_chunks::<8>();
            if let [f, e, x] = w { *slot = (u64::from_le_bytes(*f), State { expires: u64::from_le_bytes(*e), word: u64::from_le_bytes(*x) }); b.len += 1; }
        }
        b
    }
    /// get
    pub fn get(&self, fp: u64) -> Option<State> { self.live().iter().find(|(f, _)| *f == fp).map(|(_, s)| *s) }
    /// put
    pub fn put(&mut self, fp: u64, state: State, now: u64) -> Put {
        let len = self.len;
        if let Some((_, s)) = self.entries.iter_mut().take(len).find(|(f, _)| *f == fp) { *s = state; return Put { evicted: None }; }
        if len == CAP { self.sweep(now); }
        let mut evicted = None;
        let place = if self.len < CAP { self.len += 1; self.len - 1 } else {
            let p = self.entries.iter().enumerate().min_by_key(|(_, (_, s))| s.expires).map_or(0, |(i, _)| i);
            evicted = self.entries.get(p).map(|(f, _)| *f); p };
        if let Some(e) = self.entries.get_mut(place) { *e = (fp, state); }
        Put { evicted }
    }
    /// sweep
    pub fn sweep(&mut self, now: u64) -> usize {
        let mut kept = Self::default();
        for e in self.live() { if e.1.expires > now { if let Some(s) = kept.entries.get_mut(kept.len) { *s = *e; kept.len += 1; } } }
        let d = self.len - kept.len; *self = kept; d
    }
    /// bytes
    pub fn to_bytes(&self) -> Vec<u8> { let mut v = Vec::with_capacity(self.len * 24); for (f, s) in self.live() { for w in [*f, s.expires, s.word] { v.extend_from_slice(&w.to_le_bytes()); } } v }
    /// count
    pub fn count(&self) -> usize { self.len }
}
