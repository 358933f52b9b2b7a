//! The request at hand, with its peer.

use std::borrow::Cow;

use weir_host::Request;
use weir_host::port::StreamHost;
use weir_limiter::LimitedRequest;
use weir_route_match::RequestView;

/// A request's headers, read at most once, and the address of who sent it, asked for when it is needed.
pub(crate) struct PeerRequest<'h, H> {
    headers: Request<'h, H>,
}

impl<'h, H: StreamHost> PeerRequest<'h, H> {
    pub(crate) fn new(host: &'h H) -> Self {
        Self {
            headers: Request::new(host),
        }
    }

    pub(crate) fn headers(&self) -> &Request<'h, H> {
        &self.headers
    }
}

impl<H: StreamHost> RequestView for PeerRequest<'_, H> {
    fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.headers.values(name)
    }
}

impl<H: StreamHost> LimitedRequest for PeerRequest<'_, H> {
    fn peer(&self) -> Option<Cow<'_, [u8]>> {
        let address = self.headers.host().property(&["source", "address"]);
        address.ok().flatten().map(Cow::Owned)
    }
}
