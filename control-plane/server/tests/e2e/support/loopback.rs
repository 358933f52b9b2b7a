//! An address of its own for every stack, so that tests side by side never meet on a port.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU8, Ordering};

static NEXT: AtomicU8 = AtomicU8::new(1);

/// An address in 127.0.0.0/8 that nothing else in this process uses; other processes have other ids.
pub(crate) fn address() -> IpAddr {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    IpAddr::V4(Ipv4Addr::new(127, high % 100 + 100, low, number))
}

/// `ip:port`.
pub(crate) fn at(ip: IpAddr, port: u16) -> SocketAddr {
    SocketAddr::new(ip, port)
}
