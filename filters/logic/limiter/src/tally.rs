//! What became of requests, for whoever counts.

/// What a limit had to say to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tallied {
    /// It let it pass.
    Allowed,
    /// It held it back.
    Limited,
    /// A value of its key was missing.
    KeyMissing,
    /// Its quota could not be looked up or written.
    Failed,
    /// A shadow: it would have let the request pass, as what it is compared with did.
    ShadowAllowed,
    /// A shadow: it would have held back a request that was held back.
    ShadowLimited,
    /// A shadow: it would have held back a request that passed.
    ShadowOnlyLimited,
    /// A shadow: it would have let a request pass that was held back.
    ShadowOnlyAllowed,
}

/// Counts.
pub trait Tally {
    /// A limit, by its policy's and its own index, had something to say.
    fn tally(&self, policy: usize, limit: usize, what: Tallied);
    /// A key that was not idle had to be forgotten.
    fn evicted(&self);
    /// A fleet's limit was asked for so many units of a key.
    fn demanded(&self, policy: usize, limit: usize, key: crate::Fingerprint, units: u64);
}
