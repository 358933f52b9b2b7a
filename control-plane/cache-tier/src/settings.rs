//! What an operator may set.

use std::time::Duration;

use weir_policy::cache_tier::{Variant, Vary, variant};
use weir_policy::name::Name;

/// How a request selects among the variants of an object; the filters that store must agree.
pub type VariantOf = fn(&Vary, &[(&[u8], &[u8])]) -> Variant;

/// What the tier is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `redis://[[user]:password@]host[:port][/database]`; several: nodes of a Redis Cluster.
    pub redis: Vec<String>,
    /// How many connections, to each node of a cluster. Each carries many commands at once.
    pub pool: usize,
    /// A command to Redis is given up after this.
    pub timeout: Duration,
    /// The largest object, bytes.
    pub max_object: usize,
    /// How long a caller may take to fill.
    pub lease: Duration,
    /// How many lookups may wait for fills at once; others are told at once that somebody else fills.
    pub max_waiting: usize,
    /// The namespaces that are served.
    pub namespaces: Vec<Name>,
    /// The control plane, `http://host:port`, whose purges are followed.
    pub control: Option<String>,
    /// How variants are told apart.
    pub variant_of: VariantOf,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            redis: vec!["redis://127.0.0.1:6379".to_owned()],
            pool: 4,
            timeout: Duration::from_millis(50),
            max_object: 1 << 20,
            lease: Duration::from_secs(10),
            max_waiting: 4_096,
            namespaces: vec![Name::default_namespace()],
            control: None,
            variant_of: variant,
        }
    }
}

/// Why a tier can't be made of its settings.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// An address of Redis is none. The address itself may hold a password, and is not repeated.
    #[error("--redis: {0}: expected redis://HOST:PORT, several for a cluster")]
    Redis(String),
    /// The control plane's address is none.
    #[error("--control {0:?}: expected http://HOST:PORT")]
    Control(String),
}
