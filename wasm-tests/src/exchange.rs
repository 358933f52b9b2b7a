//! A request and what became of it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::abi::Direction;
use crate::cluster::UpstreamRequest;
use crate::fleet::WorldHandle;
use crate::header_map::HeaderMap;
use crate::process::shared::locked;
use crate::request::LocalResponse;
use crate::transcript::Response;
use crate::world::stream::Opened;

/// One request through a listener. It goes on whether or not anybody looks.
pub struct Exchange {
    world: WorldHandle,
    opened: Opened,
}

impl Exchange {
    pub(crate) fn new(world: WorldHandle, opened: Opened) -> Self {
        Self { world, opened }
    }

    /// What the client has received so far.
    pub fn response(&self) -> Option<Response> {
        locked(&self.opened.transcript).response.clone()
    }

    /// The status that the client got; 0: none yet.
    pub fn status(&self) -> u16 {
        let transcript = locked(&self.opened.transcript);
        transcript.response.as_ref().map_or(0, |response| response.status)
    }

    /// The client has the whole response.
    pub fn is_complete(&self) -> bool {
        locked(&self.opened.transcript).complete
    }

    /// The client's stream was reset before it had the whole response.
    pub fn was_reset(&self) -> bool {
        locked(&self.opened.transcript).reset
    }

    /// Complete, or reset.
    pub fn has_ended(&self) -> bool {
        locked(&self.opened.transcript).ended
    }

    /// Every try that reached an upstream host, in order.
    pub fn upstream_requests(&self) -> Vec<UpstreamRequest> {
        locked(&self.opened.transcript).upstream.clone()
    }

    /// What a filter or the proxy itself answered, as it was asked to.
    pub fn local_response(&self) -> Option<LocalResponse> {
        locked(&self.opened.transcript).local_response.clone()
    }

    /// Why the response is what it is: `via_upstream`, or the details of a local reply.
    pub fn response_code_details(&self) -> Option<String> {
        locked(&self.opened.flow).info.response_code_details.clone()
    }

    /// How long the exchange took, or has taken so far.
    pub fn duration(&self) -> Duration {
        let now = locked(&self.world).clock.steady();
        let info = &locked(&self.opened.flow).info;
        Duration::from_nanos(info.ended.unwrap_or(now).saturating_sub(info.started))
    }

    /// What filters have set as properties, by path; parts are joined by a zero byte.
    pub fn filter_state(&self) -> BTreeMap<Vec<u8>, Vec<u8>> {
        locked(&self.opened.flow).filter_state.clone()
    }

    /// Sends a chunk of the request's body, see [`Request::with_body`](crate::Request::with_body).
    pub fn send_body(&self, chunk: &[u8], end_of_stream: bool) {
        let mut world = locked(&self.world);
        world.arrive_body(self.opened.at, Direction::Request, chunk.to_vec(), end_of_stream);
        world.run_due();
    }

    /// Sends the request's trailers, and so ends it.
    pub fn send_trailers(&self, trailers: HeaderMap) {
        locked(&self.opened.flow).request.trailers = Some(trailers);
        let mut world = locked(&self.world);
        world.arrive_trailers(self.opened.at, Direction::Request);
        world.run_due();
    }

    /// The client goes away.
    pub fn abort(&self) {
        let mut world = locked(&self.world);
        world.abort(self.opened.at);
        world.run_due();
    }
}

/// The whole exchange as text that is the same in every run, for snapshots (`insta::assert_snapshot!`): what every
/// upstream host got, and what the client got.
impl fmt::Display for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transcript = locked(&self.opened.transcript);
        let flow = locked(&self.opened.flow);
        let started = flow.info.started;
        for request in &transcript.upstream {
            let after = request.at.saturating_sub(Duration::from_nanos(started));
            let reset = if request.reset { ", reset" } else { "" };
            writeln!(
                f,
                "to {}/{} after {after:?}{reset}",
                request.cluster, request.host
            )?;
            message(f, &request.headers, &request.body, request.trailers.as_ref())?;
        }
        let Some(response) = &transcript.response else {
            return writeln!(f, "no response{}", if transcript.reset { ", reset" } else { "" });
        };
        let details = flow.info.response_code_details.as_deref().unwrap_or("no details");
        let took = flow
            .info
            .ended
            .map(|ended| Duration::from_nanos(ended.saturating_sub(started)));
        match took {
            Some(took) => writeln!(f, "response after {took:?}, {details}")?,
            None => writeln!(f, "response, not ended, {details}")?,
        }
        message(f, &response.headers, &response.body, response.trailers.as_ref())
    }
}

fn message(
    f: &mut fmt::Formatter<'_>,
    headers: &HeaderMap,
    body: &[u8],
    trailers: Option<&HeaderMap>,
) -> fmt::Result {
    for (name, value) in headers.iter() {
        writeln!(f, "  {name}: {}", value.escape_ascii())?;
    }
    if !body.is_empty() {
        writeln!(f, "  [{}]", body.escape_ascii())?;
    }
    for (name, value) in trailers.into_iter().flat_map(HeaderMap::iter) {
        writeln!(f, "  trailer {name}: {}", value.escape_ascii())?;
    }
    Ok(())
}
