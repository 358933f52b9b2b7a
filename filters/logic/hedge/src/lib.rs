//! When a second try of a request may leave.

pub mod pane;
mod wire;
