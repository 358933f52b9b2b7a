//! The client's address: behind how many trusted proxies it stands, and how much of it counts.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use weir_policy::document::rate_limit_policy::descriptor::ClientAddress;
use weir_policy::document::rate_limit_policy::exemption::parse_network;

use crate::request::LimitedRequest;

/// The header that every proxy on the way adds its peer to.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The leading bits of a client's address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subnet {
    trusted_hops: usize,
    ipv4_prefix: u8,
    ipv6_prefix: u8,
}

/// Addresses of a network.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Network {
    address: IpAddr,
    length: u8,
}

impl Subnet {
    pub(crate) fn new(address: ClientAddress) -> Self {
        Self {
            trusted_hops: usize::try_from(address.trusted_hops).unwrap_or(usize::MAX),
            ipv4_prefix: address.ipv4_prefix,
            ipv6_prefix: address.ipv6_prefix,
        }
    }

    /// The network that the client is in.
    pub(crate) fn of(self, request: &impl LimitedRequest) -> Option<IpAddr> {
        client(request, self.trusted_hops).map(|address| self.mask(address))
    }

    /// The network that a written address is in.
    pub(crate) fn of_text(self, text: &[u8]) -> Option<IpAddr> {
        parse(text).map(|address| self.mask(address))
    }

    fn mask(self, address: IpAddr) -> IpAddr {
        match address {
            IpAddr::V4(_) => mask(address, self.ipv4_prefix),
            IpAddr::V6(_) => mask(address, self.ipv6_prefix),
        }
    }
}

impl Network {
    /// Reads CIDR notation.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, length) = parse_network(text)?;
        let address = mask(address, length);
        Some(Self { address, length })
    }

    /// Whether `address` is in it.
    pub(crate) fn contains(self, address: IpAddr) -> bool {
        mask(address, self.length) == self.address
    }
}

/// The client, `trusted_hops` proxies away: 0 is who opened the connection. The proxies on the way, this one included,
/// have each added their peer at the right end of `X-Forwarded-For`, so what a client itself has written there stands
/// further left than is looked.
pub(crate) fn client(request: &impl LimitedRequest, trusted_hops: usize) -> Option<IpAddr> {
    if trusted_hops == 0 {
        return parse(&request.peer()?);
    }
    let values: Vec<&[u8]> = request.values(FORWARDED_FOR).collect();
    let mut entries = values
        .iter()
        .rev()
        .flat_map(|value| value.rsplit(|byte| *byte == b','));
    parse(entries.nth(trusted_hops)?)
}

/// An address with or without a port; IPv4 in IPv6 is IPv4.
fn parse(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?.trim_matches([' ', '\t']);
    let address = match text.parse::<IpAddr>() {
        Ok(address) => address,
        Err(_) => text
            .parse::<SocketAddr>()
            .map(|address| address.ip())
            .ok()
            .or_else(|| bracketed(text))?,
    };
    Some(address.to_canonical())
}

/// `[::1]`.
fn bracketed(text: &str) -> Option<IpAddr> {
    text.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

/// The first `length` bits, the others zero.
fn mask(address: IpAddr, length: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32_u32.saturating_sub(length.into()));
            Ipv4Addr::from_bits(address.to_bits() & mask.unwrap_or(0)).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128_u32.saturating_sub(length.into()));
            Ipv6Addr::from_bits(address.to_bits() & mask.unwrap_or(0)).into()
        }
    }
}
