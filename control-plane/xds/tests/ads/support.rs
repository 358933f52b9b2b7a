//! What the tests share.

pub(crate) mod envoy;
pub(crate) mod resources;
pub(crate) mod server;
