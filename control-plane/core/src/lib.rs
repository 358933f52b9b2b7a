//! What the control plane knows: documents as a fold over events, attachment and precedence, compiled slots, and
//! the snapshots that proxies get.
//!
//! Pure: no clock (instants are arguments, Unix ms), no I/O, no tokio, tonic or kube. The same events give the same
//! [`state::State`], and the same state gives the same [`snapshot::Snapshot`], byte for byte, on every replica.

pub mod cache;
pub mod cluster;
mod cluster_name;
pub mod control;
pub mod event;
mod hedge;
pub mod lease;
pub mod metric;
pub mod module;
pub mod node;
pub mod notice;
pub mod percent;
pub mod plan;
pub mod proxy;
pub mod quota;
mod raw;
mod reference;
pub mod refusal;
pub mod slot;
pub mod snapshot;
pub mod state;
pub mod status;
