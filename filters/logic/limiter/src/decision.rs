//! What happens to a request.

use crate::fields::Fields;
use crate::key::Fingerprint;
use crate::quota::Quota;

/// What happens to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// It passes.
    Pass(Passed),
    /// It asked for more than there is.
    Limited(Limited),
    /// A limit needs a value that it lacks.
    KeyMissing {
        /// The policy's index.
        policy: usize,
        /// The limit's index in it.
        limit: usize,
    },
    /// Its quota could not be looked up or written, and a policy says that it doesn't pass then.
    Failed,
}

/// A request that passes, and what there is to do for it later.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// What its answer tells, if anything.
    pub fields: Option<Fields>,
    /// What is charged or given back later.
    pub pending: Vec<Pending>,
}

/// A request that is held back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limited {
    /// The names of the limits that held it back.
    pub violated: Vec<String>,
    /// In how many seconds it may pass, rounded up; none: never as it is.
    pub retry_after_s: Option<u64>,
    /// Only for want of a lease: the proxy has no share of the fleet's quota at present.
    pub lost: bool,
    /// What the answer tells.
    pub fields: Option<Fields>,
}

/// A charge that isn't final when the request passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// The policy's index.
    pub policy: usize,
    /// The limit's index in it.
    pub limit: usize,
    /// Whose it is.
    pub key: Fingerprint,
    /// What it was charged to: the client's plan may have one of its own.
    pub quota: Quota,
    /// What was charged.
    pub charged: u64,
    /// When, Unix nanoseconds.
    pub at: u64,
    /// When it becomes final.
    pub until: Until,
}

/// When a charge becomes final.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// A response header says the cost.
    Response,
    /// The request is not under way any more.
    End,
}

impl Default for Decision {
    fn default() -> Self {
        Self::Pass(Passed::default())
    }
}
