//! Leases on shares: who may use how much of a fleet-wide limit, and for how long.

mod book;
mod lapse;
mod limit;

pub use book::{LeaseBook, LeaseSettings};
pub use lapse::{WhenLost, lapsed};
pub use limit::LeaseView;
