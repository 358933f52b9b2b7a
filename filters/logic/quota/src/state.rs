//! State.
use std::fmt;
/// State of one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct State { /// expires
 pub expires: u64, /// word
 pub word: u64 }
impl State { /// idle
 pub const fn idle() -> Self { Self { expires: 0, word: 0 } } }
/// Verdict
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// a
    Allow { /// r
        remaining: u64, /// r
        reset_ns: u64 },
    /// d
    Deny { /// r
        remaining: u64, /// r
        retry_after_ns: Option<u64>, /// r
        reset_ns: u64 },
}
impl Verdict {
    /// allowed
    pub const fn is_allowed(&self) -> bool { matches!(self, Self::Allow { .. }) }
    /// remaining
    pub const fn remaining(&self) -> u64 { match self { Self::Allow { remaining, .. } | Self::Deny { remaining, .. } => *remaining } }
    /// reset
    pub const fn reset_ns(&self) -> u64 { match self { Self::Allow { reset_ns, .. } | Self::Deny { reset_ns, .. } => *reset_ns } }
    /// retry
    pub const fn retry_after_ns(&self) -> Option<u64> { match self { Self::Allow { .. } => Some(0), Self::Deny { retry_after_ns, .. } => *retry_after_ns } }
}
/// error
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuotaError(pub String);
impl fmt::Display for QuotaError { fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { f.write_str(&self.0) } }
