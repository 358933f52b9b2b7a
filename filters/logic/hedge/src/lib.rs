//! When a second try of a request may leave.

pub mod budget;
mod clock;
pub mod pane;
pub mod shared;
mod wire;
