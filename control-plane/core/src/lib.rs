//! What the control plane knows: documents as a fold over events, attachment and precedence, compiled slots, and
//! the snapshots that proxies get.
//!
//! Pure: no clock (instants are arguments, Unix ms), no I/O, no tokio, tonic or kube. The same events give the same
//! [`state::State`], and the same state gives the same [`snapshot::Snapshot`], byte for byte, on every replica.

pub mod event;
pub mod module;
pub mod node;
pub mod proxy;
pub mod refusal;
pub mod snapshot;
