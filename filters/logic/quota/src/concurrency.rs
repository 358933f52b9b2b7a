//! Concurrency.
use crate::state::{QuotaError, State, Verdict};
/// Concurrency
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Concurrency { limit: u64, period: u64 }
impl Concurrency {
    /// new
    pub fn try_new(limit: u64, period: u64) -> Result<Self, QuotaError> {
        if limit == 0 || period == 0 { return Err(QuotaError("expected".into())); }
        Ok(Self { limit, period })
    }
    fn read(&self, state: Option<State>, now: u64) -> (u64, u64, u64) {
        let idx = now / self.period;
        let Some(s) = state else { return (idx, 0, 0); };
        let (prev, cur) = (s.word >> 32, s.word & 0xffff_ffff);
        let known = (s.expires / self.period).saturating_sub(2);
        if known >= idx { (known, prev, cur) } else if known + 1 == idx { (idx, cur, 0) } else { (idx, 0, 0) }
    }
    fn state(&self, idx: u64, prev: u64, cur: u64) -> State { State { expires: (idx + 2).saturating_mul(self.period), word: prev << 32 | cur.min(0xffff_ffff) } }
    /// begin
    pub fn begin(&self, state: Option<State>, now: u64) -> (Verdict, Option<State>) {
        let (i, p, c) = self.read(state, now);
        if p + c < self.limit { return (Verdict::Allow { remaining: self.limit - p - c - 1, reset_ns: 0 }, Some(self.state(i, p, c + 1))); }
        (Verdict::Deny { remaining: 0, retry_after_ns: Some(0), reset_ns: 0 }, None)
    }
    /// end
    pub fn end(&self, state: State, began: u64, now: u64) -> Option<State> {
        let (i, p, c) = self.read(Some(state), now);
        let b = began / self.period;
        if b >= i { Some(self.state(i, p, c.saturating_sub(1))) } else if b + 1 == i { Some(self.state(i, p.saturating_sub(1), c)) } else { None }
    }
}
