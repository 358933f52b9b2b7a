//! ADS, state of the world: snapshots to proxies, ACK and NACK back.
//!
//! **The problem.** A proxy that gets a route before the cluster that it names answers 503, and so does one that loses a
//! cluster before the route. Envoy takes each type by itself, applies a refused response in part, holds the answer to CDS
//! back until clusters are warm, and waits in vain for endpoints that it asked for in what looks like an ACK. A server
//! that sends what is newest, as it comes, drops requests with every change.
//!
//! **The algorithm.** [`stream::StreamState`] keeps, per type and resource, what one proxy was told, has taken and has
//! refused, and sends the difference to the target as soon as nothing that it names is missing: make before break, as the
//! xDS protocol describes it ("Eventual consistency considerations"), per resource rather than per response. It is a
//! pure machine; [`AdsService`] carries requests, changes of the [source](weir_core::snapshot::SnapshotSource) and time to
//! it, one task a stream, and writes what comes of them into the registry of [proxies](weir_core::proxy::Proxies).
//!
//! **When not to use it.** For clients that speak delta ADS only, or ask for resources one by one: there is no delta and
//! no on-demand discovery. Bodies are copied once for each proxy, since a protobuf `Any` owns its bytes.
//!
//! ```
//! use std::sync::Arc;
//! use weir_core::snapshot::{Resource, ResourceType, Snapshot, View};
//! use weir_xds::stream::{Output, Request, StreamState};
//!
//! let mut snapshot = Snapshot::default();
//! snapshot.insert(ResourceType::Cluster, Resource {
//!     name: "shop".to_owned(),
//!     version: 1,
//!     body: Default::default(),
//!     again: None,
//!     clusters: Default::default(),
//! });
//! let mut stream = StreamState::new(5_000, View::Assigned(Arc::new(snapshot)), Vec::new());
//! let ask = Request {
//!     resource_type: ResourceType::Cluster,
//!     names: Vec::new(),
//!     version: String::new(),
//!     nonce: String::new(),
//!     error: None,
//! };
//! let out = stream.request(&ask, 0);
//! assert!(matches!(&out[0], Output::Respond(response) if response.resources[0].name == "shop"));
//! ```

mod node;
mod options;
mod registration;
mod service;
mod session;
pub mod stream;
mod wire;

pub use options::Options;
pub use registration::Clock;
pub use service::AdsService;
