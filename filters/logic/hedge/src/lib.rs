//! When a second try of a request may leave.

pub mod budget;
mod clock;
pub mod overload;
pub mod pane;
pub mod policy;
mod record;
pub mod route;
pub mod shared;
#[cfg(feature = "simulate")]
pub mod simulate;
pub mod usual;
mod wire;

pub use record::View;
