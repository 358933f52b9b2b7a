//! The built edge-cache filter: several workers over one shared-data store, an origin that answers by script, and a
//! control plane that purges.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod changes;
mod compression;
mod counts;
mod failures;
mod fixture;
mod hits;
mod invalidation;
mod origin;
mod owners;
mod protocols;
mod purges;
mod shadow;
mod stale;
mod stampede;
mod validation;
