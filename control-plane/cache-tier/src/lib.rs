//! The cache tier that all proxies of a fleet share: a small service between cache filters and Redis.
//!
//! **The problem.** Each proxy has a cache of its own, so an object that a hundred proxies serve is fetched a hundred times,
//! and all at once when it is purged. A filter can't speak Redis, and should not: whoever fetches must be one in the fleet,
//! what is purged must not come back by a fill that began before, and a Redis that hangs must cost nobody anything.
//!
//! **How.** Filters speak the HTTP protocol that [`weir_policy::cache_tier`] describes. Behind it:
//!
//! * An object's place is its namespace, policy and key; its variants lie there side by side in one Redis hash, with the
//!   leases of those who fill. A namespace has 16 partitions, each in one slot of a Redis Cluster, each with the
//!   namespace's purges, so that one script sees an object and its purges at one moment: one round trip for a lookup, two
//!   where the names that the object varies by are not known here yet. Nothing is ever scanned.
//! * A purge is a number: the newest revision of a tag, of a URL, of a prefix, of a policy, of everything. An object carries
//!   the revision that its proxy knew when the fill began; older than one of these numbers, it is gone. An object costs one
//!   number for each of its tags to check, and each of the newest 256 prefixes.
//! * The numbers come from the control plane's events, by long poll; each partition remembers how far it knows them, in the
//!   same slot, so a Redis that loses its last writes is told them again. Where the control plane can't say what happened
//!   since, an epoch begins: nothing from before is found.
//! * What is remembered is bounded. The oldest purge gives way by purging all that is older than itself.
//! * One lookup in each process asks for all that wait for the same object. It hears of the fill by a message, or asks again
//!   with growing pauses: a message that is lost costs a tenth of a second.
//! * Commands have a deadline. After five failures one after the other the answer is 503 at once, and one probe at a time
//!   finds out whether Redis is back; with a cluster each partition has a breaker of its own.
//!
//! **When not to use it.** One proxy alone: its own cache is nearer. Objects that must never be lost: this is a cache, on a
//! Redis that may forget.
//!
//! ```
//! let settings = weir_cache_tier::Settings {
//!     redis: vec!["redis://127.0.0.1:6379".to_owned()],
//!     ..weir_cache_tier::Settings::default()
//! };
//! let tier = weir_cache_tier::Tier::try_new(settings).unwrap();
//! // Serve `tier.router()`, and keep `tier.run()` running beside it.
//! let router: axum::Router = tier.router();
//! ```

mod hints;
mod http;
mod metrics;
mod place;
mod purge;
mod rooms;
mod settings;
mod store;
mod tier;
mod wake;

pub use settings::{Settings, SetupError, VariantOf};
pub use tier::Tier;
