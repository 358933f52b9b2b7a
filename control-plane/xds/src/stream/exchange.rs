//! What goes in and out of a stream's state, free of protobuf.

use std::sync::Arc;

use weir_core::proxy::Assignment;
use weir_core::snapshot::{Resource, ResourceType};

/// A discovery request of a type that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The type asked for or answered.
    pub resource_type: ResourceType,
    /// All names subscribed to from now on; for CDS and LDS, none or `*` mean everything.
    pub names: Vec<String>,
    /// The `version_info` last taken; empty from a proxy that has nothing of this type.
    pub version: String,
    /// The nonce of the response answered; empty in the first request of a stream.
    pub nonce: String,
    /// Why that response was refused; none when it was taken, or when nothing is answered.
    pub error: Option<String>,
}

/// A discovery response to send.
#[derive(Clone, Debug, PartialEq)]
pub struct Response {
    /// The type of the resources.
    pub resource_type: ResourceType,
    /// A hash of everything of this type that the proxy has once it has taken this response.
    pub version: String,
    /// Unique on the stream.
    pub nonce: String,
    /// CDS and LDS: the full set. Other types: what the proxy lacks.
    pub resources: Vec<Arc<Resource>>,
    /// Send [`Resource::again`] rather than [`Resource::body`].
    pub again: bool,
}

/// A fact for the registry of proxies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// The proxy gets something for another reason than before.
    Assigned(Assignment),
    /// A response went out, and nothing that the proxy refused before is held back.
    Sent {
        /// Of which type.
        resource_type: ResourceType,
        /// Its `version_info`.
        version: String,
    },
    /// The proxy has answered a response.
    Answered {
        /// Of which type.
        resource_type: ResourceType,
        /// Whether it took it.
        taken: bool,
    },
    /// The proxy has everything of this version.
    Acked {
        /// Of which type.
        resource_type: ResourceType,
        /// Its `version_info`.
        version: String,
    },
    /// The proxy refused a response.
    Nacked {
        /// Of which type.
        resource_type: ResourceType,
        /// The `version_info` refused.
        version: String,
        /// The proxy's words; those of earlier refusals that still hold follow.
        message: String,
        /// The resources refused, those of earlier refusals that still hold included.
        resources: Vec<String>,
    },
}

/// What an input leads to, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Send this.
    Respond(Response),
    /// Write this down.
    Record(Record),
}
