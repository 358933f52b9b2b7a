//! What an operator may set.

use std::time::Duration;

/// Limits of requests, and the names that the API answers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The largest request body, in bytes. 8 MiB by default.
    pub max_body: usize,
    /// How long a client may take to send a body. 30 s by default.
    pub body_timeout: Duration,
    /// Names besides `localhost` and IP addresses that may stand in `Host`, without a port. None by default.
    ///
    /// A web page can make its own name resolve to the API's address, and the browser then sends it the page's
    /// requests; it can't change the name that it sends (DNS rebinding).
    pub hosts: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            max_body: 8 << 20,
            body_timeout: Duration::from_secs(30),
            hosts: Vec::new(),
        }
    }
}
