//! What may be set.

use std::time::Duration;

/// The settings of the ADS server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How long a cluster stays after nothing relies on it any more, so that workers and requests under way are done
    /// with it.
    pub linger: Duration,
    /// How often a connection that is silent is asked for a sign of life.
    pub keepalive_interval: Duration,
    /// How long that sign may take before the connection is closed.
    pub keepalive_timeout: Duration,
    /// The largest message in either direction, bytes.
    pub max_message_bytes: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            linger: Duration::from_secs(5),
            keepalive_interval: Duration::from_secs(30),
            keepalive_timeout: Duration::from_secs(10),
            max_message_bytes: 64 * 1024 * 1024,
        }
    }
}
