//! Where the edge cache keeps objects: one cache for all workers of a process.

mod arena;
mod content;
mod fill;
mod found;
mod key;
mod layout;
mod own;
pub mod purge;
mod shared;
mod store;
mod totals;

pub use content::Content;
pub use fill::{Claim, Ended, Fill, FillToken, Kind, Stored};
pub use found::{Filling, Found, Object, Tier, Vary};
pub use key::Key;
pub use layout::Layout;
pub use shared::{Failed, SharedValues, StoreError};
pub use store::{LONGEST_HIT_FOR_MISS_MS, LONGEST_LEASE_MS, Store};
pub use totals::Totals;
