//! What a cell says to a request.

/// What a cell says to a request. Durations are nanoseconds from the `now` of the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The request may pass, and has been counted.
    Allow {
        /// Whole units that could pass right after it.
        remaining: u64,
        /// Until everything is available again, if nothing else comes.
        reset_ns: u64,
    },
    /// The request may not pass, and has not been counted.
    Deny {
        /// Whole units that could pass now; fewer than were asked for, or the cell is in debt.
        remaining: u64,
        /// Until the same request could pass, if nothing else comes. Absent where waiting does not help, or nobody can
        /// know how long it takes.
        retry_after_ns: Option<u64>,
        /// Until everything is available again, if nothing else comes.
        reset_ns: u64,
    },
}

impl Verdict {
    /// Whether the request may pass.
    pub const fn is_allow(&self) -> bool {
        matches!(self, Self::Allow { .. })
    }

    /// Whole units that could pass now.
    pub const fn remaining(&self) -> u64 {
        match self {
            Self::Allow { remaining, .. } | Self::Deny { remaining, .. } => *remaining,
        }
    }

    /// Until everything is available again, if nothing else comes.
    pub const fn reset_ns(&self) -> u64 {
        match self {
            Self::Allow { reset_ns, .. } | Self::Deny { reset_ns, .. } => *reset_ns,
        }
    }
}
