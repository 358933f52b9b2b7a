//! How a key finds its shard: where the key stands in a request, and which shard owns it.
//!
//! Keys are placed on a consistent hash ring (Karger et al., 1997): every shard stands on it at 150 virtual nodes
//! per unit of weight, and a key belongs to the first virtual node at or after its hash. So a shard that is added
//! takes its share of the keys, about K/n, from all others, and no other key moves. [`Ring`] says exactly where
//! the nodes stand; that placement is named `ring-v1` and never changes, `vectors/ring-v1.json` pins it.
//!
//! Around it: [`Router`] is one ShardMap (key sources, what to do without a key, clusters), [`ShardRouter`] a whole
//! slot (rules that choose the ShardMap, then the ShardMap). Both validate everything that they rely on, so that
//! the control plane builds them to check a configuration before it is pushed, and the filter runs the same code.
//!
//! Not for: keys whose owner must be found by order (ranges), nor for spreading load among equal replicas; a ring
//! balances keys, not requests, so a hot key stays hot.
//!
//! ```
//! use weir_shard_map::Ring;
//!
//! let ring = Ring::try_new(&[("orders-a", 1), ("orders-b", 2)]).unwrap();
//! let owner = ring.owner(b"user-42");
//! assert_eq!(owner, ring.owner(b"user-42"));
//! assert!(owner < 2);
//! ```

mod key;
mod percent;
mod ring;
mod router;
mod shard_router;

pub use key::{KeyReader, parameter};
pub use ring::{Ring, RingError, VIRTUAL_NODES};
pub use router::{Rejection, Router, Target};
pub use shard_router::{Decision, ShardRouter};

/// Names the cluster that a request goes to; Envoy's routes read it as their `cluster_header`.
pub const CLUSTER_HEADER: &str = "x-weir-cluster";
/// Names the shard that a request goes to.
pub const SHARD_HEADER: &str = "x-weir-shard";
