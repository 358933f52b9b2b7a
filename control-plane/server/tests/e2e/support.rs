//! What the tests stand on.

pub(crate) mod cached;
pub(crate) mod client;
pub(crate) mod documents;
pub(crate) mod hedges;
pub(crate) mod issuer;
pub(crate) mod loopback;
pub(crate) mod modules;
pub(crate) mod origin;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod redis;
pub(crate) mod server;
pub(crate) mod shards;
pub(crate) mod stack;
pub(crate) mod tier;
pub(crate) mod traffic;
pub(crate) mod wait;
