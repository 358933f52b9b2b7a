//! The request at hand, read at most once.

use std::cell::OnceCell;

use weir_route_match::RequestView;

use crate::error::HostError;
use crate::pairs;
use crate::port::RequestHeaders;

/// A [`RequestView`] over the host: all headers are read when the first is asked for, and kept as the host gave them.
/// One call for all is cheaper than one for each of the few headers that a decision needs.
///
/// Where the host fails to give them, every header reads as absent; whoever decides something by this view looks at
/// [`Request::failure`] before acting on the decision.
#[derive(Debug)]
pub struct Request<'h, H> {
    host: &'h H,
    headers: OnceCell<Result<Vec<u8>, HostError>>,
}

impl<'h, H> Request<'h, H> {
    /// The request of the stream at hand.
    pub fn new(host: &'h H) -> Self {
        Self {
            host,
            headers: OnceCell::new(),
        }
    }

    /// The host that has the request.
    pub fn host(&self) -> &'h H {
        self.host
    }

    /// The names of all headers, in order.
    pub fn names(&self) -> impl Iterator<Item = &[u8]>
    where
        H: RequestHeaders,
    {
        pairs::read(self.bytes()).map(|(name, _)| name)
    }

    fn bytes(&self) -> &[u8]
    where
        H: RequestHeaders,
    {
        let headers = self.headers.get_or_init(|| self.host.pairs());
        headers.as_deref().unwrap_or_default()
    }

    /// Why the headers could not be read, if they were asked for.
    pub fn failure(&self) -> Option<HostError> {
        self.headers.get()?.as_ref().err().copied()
    }
}

impl<H: RequestHeaders> RequestView for Request<'_, H> {
    fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        pairs::values(self.bytes(), name)
    }
}
