//! Who answers: one replica of one shard.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use http::HeaderValue;

/// One replica of one shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Replica {
    pub(crate) shard: HeaderValue,
    pub(crate) name: HeaderValue,
}

/// A replica and where it listens. Written `a/replica-1=127.0.0.1:9102`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listen {
    pub(crate) replica: Replica,
    pub(crate) address: SocketAddr,
}

impl Replica {
    pub(crate) fn shard(&self) -> &str {
        self.shard.to_str().unwrap_or_default()
    }

    pub(crate) fn name(&self) -> &str {
        self.name.to_str().unwrap_or_default()
    }

    /// `primary` or `replica`.
    pub(crate) fn role(&self) -> &'static str {
        if self.name == "primary" {
            "primary"
        } else {
            "replica"
        }
    }
}

impl fmt::Display for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.shard(), self.name())
    }
}

impl FromStr for Listen {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let shape = || format!("{text:?}: expected SHARD/REPLICA=ADDRESS, like \"a/primary=127.0.0.1:9101\"");
        let (who, address) = text.split_once('=').ok_or_else(shape)?;
        let (shard, name) = who.split_once('/').ok_or_else(shape)?;
        Ok(Self {
            replica: Replica {
                shard: part(shard).ok_or_else(shape)?,
                name: part(name).ok_or_else(shape)?,
            },
            address: address.parse().map_err(|_| {
                format!("{address:?}: expected an IP address and a port, like \"127.0.0.1:9101\"")
            })?,
        })
    }
}

/// Names stand in response headers, so they are kept to what Weir's own names may hold.
fn part(text: &str) -> Option<HeaderValue> {
    let valid = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    if text.is_empty() || !text.bytes().all(valid) {
        return None;
    }
    HeaderValue::from_str(text).ok()
}
