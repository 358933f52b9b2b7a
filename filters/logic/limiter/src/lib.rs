//! Whose request it is, what it costs, and whether it may pass: everything of the rate-limit filter but the proxy.
//!
//! A [`Limiter`] is one slot's configuration, compiled. For each request it finds the policies that are for it, the key
//! of each of their limits (a [`Fingerprint`] of 64 bits: no value is kept, however long), what the request costs, and
//! asks the cells of `weir-quota`, which stand in buckets of bytes that all workers of a process share ([`Cells`]). All
//! limits must let a request pass; when one doesn't, none is charged. What it comes to is a [`Decision`], data for the
//! filter to carry out.
//!
//! A quota of the fleet is kept by the same cell, at the process's share of it; shares are on the [`Board`], which the one
//! worker that speaks with the control plane writes and all workers read now and then.
//!
//! Not for: authorization. What is not counted is let through, and a client that changes its key has a new quota.

mod address;
mod admission;
mod board;
mod cells;
mod claim;
mod cookie;
mod cost;
mod decision;
mod demand;
mod descriptor;
mod fields;
mod judgement;
mod key;
mod limit;
mod limiter;
mod policy;
mod quota;
mod request;
mod tally;

pub use board::{Board, FRESH_NS};
pub use cells::{CellError, Cells, Found};
pub use decision::{Decision, Limited, Passed, Pending, Until};
pub use demand::Demand;
pub use fields::{Fields, Legacy};
pub use key::Fingerprint;
pub use limit::{Limit, LimitId};
pub use limiter::Limiter;
pub use policy::Policy;
pub use quota::Quota;
pub use request::LimitedRequest;
pub use tally::{Tallied, Tally};
