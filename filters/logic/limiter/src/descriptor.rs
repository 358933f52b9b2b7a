//! Values of a request that say whose it is.

use std::borrow::Cow;
use std::net::IpAddr;

use weir_policy::compiled::rate_limit::CompiledDescriptor;
use weir_policy::document::key::KeySource;
use weir_policy::problem::Problem;
use weir_shard_map::KeyReader;

use crate::address::Subnet;
use crate::claim::Claim;
use crate::cookie;
use crate::request::LimitedRequest;

/// One value of a request, compiled.
#[derive(Clone, Debug)]
pub(crate) enum Descriptor {
    Address(Subnet),
    Cookie(Box<[u8]>),
    Claim(Claim),
    Method,
    /// A header, a path variable, or a ShardMap's key: all by the ShardMap's own extraction.
    Key(KeyReader),
}

impl Descriptor {
    /// Checks and compiles; the problem's pointer is relative to the descriptor.
    pub(crate) fn try_new(descriptor: &CompiledDescriptor) -> Result<Self, Problem> {
        Ok(match descriptor {
            CompiledDescriptor::ClientAddress(address) => Self::Address(Subnet::new(*address)),
            CompiledDescriptor::Cookie(name) => Self::Cookie(name.as_bytes().into()),
            CompiledDescriptor::JwtClaim {
                payload_headers,
                claim,
            } => Self::Claim(Claim::new(payload_headers.clone(), claim)),
            CompiledDescriptor::Method => Self::Method,
            CompiledDescriptor::Header(name) => {
                Self::Key(KeyReader::try_new(&[KeySource::Header(name.clone())])?)
            }
            CompiledDescriptor::Path(path) => {
                Self::Key(KeyReader::try_new(&[KeySource::Path(path.clone())])?)
            }
            CompiledDescriptor::ShardKey(sources) => Self::Key(KeyReader::try_new(sources)?),
        })
    }

    /// The request's value; an empty one is none.
    pub(crate) fn value<'r>(&self, request: &'r impl LimitedRequest) -> Option<Cow<'r, [u8]>> {
        let value = match self {
            Self::Address(subnet) => Some(octets(subnet.of(request)?)),
            Self::Cookie(name) => cookie::value(request, name).map(Cow::Borrowed),
            Self::Claim(claim) => claim.value(request).map(Cow::Owned),
            Self::Method => request.method().map(Cow::Borrowed),
            Self::Key(keys) => keys.key(request),
        };
        value.filter(|value| !value.is_empty())
    }

    /// The value that a request has when an operator calls it `text`.
    pub(crate) fn value_of_text<'t>(&self, text: &'t str) -> Option<Cow<'t, [u8]>> {
        match self {
            Self::Address(subnet) => subnet.of_text(text.as_bytes()).map(octets),
            _ => Some(Cow::Borrowed(text.as_bytes())),
        }
    }
}

fn octets(address: IpAddr) -> Cow<'static, [u8]> {
    Cow::Owned(match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    })
}
