//! A request as the limiter reads it.

use std::borrow::Cow;

use weir_route_match::RequestView;

/// A request's headers, and who sent it.
pub trait LimitedRequest: RequestView {
    /// The address of the peer that opened the connection, as text, with or without its port; none when the host can't
    /// say.
    fn peer(&self) -> Option<Cow<'_, [u8]>>;
}
