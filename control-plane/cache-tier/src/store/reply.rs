//! What scripts answer.

use bytes::Bytes;
use redis::{ErrorKind, RedisError, RedisResult, Value};
use weir_policy::cache_tier::{Variant, Vary};

use super::Unavailable;

/// An object that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    pub(crate) body: Bytes,
    pub(crate) revision: u64,
    pub(crate) ttl_ms: u64,
    /// It is stale by a soft purge.
    pub(crate) soft_purged: bool,
    pub(crate) vary: Vary,
    pub(crate) variant: Variant,
}

/// What a lookup came to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// An object, without what the question says of it.
    Hit {
        body: Bytes,
        revision: u64,
        ttl_ms: u64,
        soft_purged: bool,
    },
    /// The key varies by other names than the question says.
    Varies(Vary),
    /// Nothing: fill it, with this.
    Lease(String),
    /// Somebody else fills it.
    Busy,
    /// It can't be stored, as was found lately.
    Pass,
}

impl Found {
    pub(crate) fn read(value: Value) -> RedisResult<Self> {
        let Value::Array(parts) = value else {
            return Err(unexpected());
        };
        let mut parts = parts.into_iter();
        let kind = bytes(parts.next())?;
        match &kind[..] {
            b"hit" => Ok(Self::Hit {
                body: bytes(parts.next())?,
                revision: number(parts.next())?,
                ttl_ms: number(parts.next())?,
                soft_purged: parts.next() == Some(Value::Int(1)),
            }),
            b"vary" => {
                let names = text(parts.next())?;
                Vary::try_new(&names).map(Self::Varies).map_err(|_| unexpected())
            }
            b"lease" => text(parts.next()).map(Self::Lease),
            b"busy" => Ok(Self::Busy),
            b"pass" => Ok(Self::Pass),
            _ => Err(unexpected()),
        }
    }
}

/// What a put came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    Done,
    /// The lease is over, or was invalidated.
    NoLease,
    /// A purge that the fill did not know of is for this object.
    Purged,
}

impl Stored {
    pub(crate) fn read(value: Value) -> RedisResult<Self> {
        match &bytes(Some(value))?[..] {
            b"stored" => Ok(Self::Done),
            b"lease" => Ok(Self::NoLease),
            b"purged" => Ok(Self::Purged),
            _ => Err(unexpected()),
        }
    }
}

/// A partition's cursor; empty: none.
pub(crate) fn cursor(value: Value) -> Result<Option<u64>, Unavailable> {
    let text = text(Some(value))?;
    match text.is_empty() {
        true => Ok(None),
        false => Ok(Some(text.parse().map_err(|_| unexpected())?)),
    }
}

fn bytes(value: Option<Value>) -> RedisResult<Bytes> {
    match value {
        Some(Value::BulkString(bytes)) => Ok(bytes.into()),
        Some(Value::SimpleString(text)) => Ok(text.into()),
        _ => Err(unexpected()),
    }
}

fn text(value: Option<Value>) -> RedisResult<String> {
    String::from_utf8(bytes(value)?.into()).map_err(|_| unexpected())
}

fn number(value: Option<Value>) -> RedisResult<u64> {
    text(value)?.parse().map_err(|_| unexpected())
}

fn unexpected() -> RedisError {
    (
        ErrorKind::UnexpectedReturnType,
        "a script answered something else",
    )
        .into()
}
