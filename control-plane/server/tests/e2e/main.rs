//! The whole thing, for real: `weir serve`, `weir proxy run`, Envoy, and shards that answer.
//!
//! Needs Envoy (`WEIR_ENVOY`), the packed modules (`WEIR_MODULES_DIR`) and `redis-server`; `./scripts/test` sets them up.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod cache;
mod cache_tier;
mod cached_hedges;
mod cached_streams;
mod caching;
mod caching_fleet;
mod change;
mod failure;
mod fleet;
mod hedging;
mod jwt;
mod leases;
mod limits;
mod operator;
mod quota;
mod refusal;
mod routing;
mod stampede;
mod static_config;
mod support;
mod upgrades;
mod warming;
