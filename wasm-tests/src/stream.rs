//! A stream through one filter, with the test as its client and its upstream.

use crate::abi::{Action, Direction};
use crate::error::HostError;
use crate::fleet::WorldHandle;
use crate::header_map::HeaderMap;
use crate::process::shared::locked;
use crate::request::{Passed, RequestOutcome};
use crate::transcript::Transcript;
use crate::world::World;
use crate::world::stream::Opened;

/// One request in flight on one worker. Dropped without [`Stream::finish`] it stays open, like a client that never
/// hangs up.
#[must_use = "a stream stays open until it is finished"]
pub struct Stream {
    world: WorldHandle,
    opened: Opened,
}

impl Stream {
    pub(crate) fn new(world: WorldHandle, opened: Opened) -> Self {
        Self { world, opened }
    }

    /// The id of the stream's context in its VM.
    pub fn context_id(&self) -> u32 {
        self.opened.context
    }

    /// What the filter has made of the request by now.
    pub fn outcome(&self) -> RequestOutcome {
        let transcript = locked(&self.opened.transcript);
        let flow = locked(&self.opened.flow);
        let goes_on = transcript.passed.headers && transcript.local_response.is_none();
        let answer = transcript
            .response
            .as_ref()
            .filter(|_| transcript.local_response.is_some());
        RequestOutcome {
            action: if goes_on { Action::Continue } else { Action::Pause },
            headers: flow.request.headers.clone(),
            local_response: transcript.local_response.clone(),
            answer: answer.map(|response| response.headers.clone()),
            filter_state: flow.filter_state.clone(),
        }
    }

    /// Passes a chunk of the request's body. While the filter holds the headers, nothing is passed (Envoy stops all
    /// iteration), and the chunk waits.
    ///
    /// # Errors
    /// [`HostError::Trap`], [`HostError::OutOfFuel`] and [`HostError::VmGone`].
    pub fn request_body(&self, chunk: &[u8], end_of_stream: bool) -> Result<Passed<Vec<u8>>, HostError> {
        self.pass_chunk(Direction::Request, chunk, end_of_stream, |transcript| {
            &transcript.passed.body
        })
    }

    /// Passes the request's trailers; `Pause`: the filter holds them back.
    ///
    /// # Errors
    /// As [`Stream::request_body`].
    pub fn request_trailers(&self, trailers: HeaderMap) -> Result<Passed<HeaderMap>, HostError> {
        locked(&self.opened.flow).request.trailers = Some(trailers);
        self.drive(|world| world.arrive_trailers(self.opened.at, Direction::Request))?;
        Ok(Passed {
            action: self.action(|transcript| transcript.passed.trailers),
            content: locked(&self.opened.flow)
                .request
                .trailers
                .clone()
                .unwrap_or_default(),
        })
    }

    /// Passes the response's headers, `:status` among them.
    ///
    /// # Errors
    /// As [`Stream::request_body`].
    pub fn response_headers(
        &self,
        headers: HeaderMap,
        end_of_stream: bool,
    ) -> Result<Passed<HeaderMap>, HostError> {
        locked(&self.opened.flow).response.headers = headers;
        self.drive(|world| world.arrive_headers(self.opened.at, Direction::Response, end_of_stream))?;
        Ok(Passed {
            action: self
                .action(|transcript| transcript.response.is_some() && transcript.local_response.is_none()),
            content: locked(&self.opened.flow).response.headers.clone(),
        })
    }

    /// Passes a chunk of the response's body.
    ///
    /// # Errors
    /// As [`Stream::request_body`].
    pub fn response_body(&self, chunk: &[u8], end_of_stream: bool) -> Result<Passed<Vec<u8>>, HostError> {
        self.pass_chunk(Direction::Response, chunk, end_of_stream, |transcript| {
            transcript
                .response
                .as_ref()
                .map_or(&[], |response| &response.body)
        })
    }

    /// Passes the response's trailers; `Pause`: the filter holds them back.
    ///
    /// # Errors
    /// As [`Stream::request_body`].
    pub fn response_trailers(&self, trailers: HeaderMap) -> Result<Passed<HeaderMap>, HostError> {
        locked(&self.opened.flow).response.trailers = Some(trailers);
        self.drive(|world| world.arrive_trailers(self.opened.at, Direction::Response))?;
        Ok(Passed {
            action: self.action(|transcript| transcript.complete),
            content: locked(&self.opened.flow)
                .response
                .trailers
                .clone()
                .unwrap_or_default(),
        })
    }

    /// Ends the stream: log, done, delete. A VM that has trapped is told nothing, as in Envoy.
    ///
    /// # Errors
    /// [`HostError::Trap`] and [`HostError::OutOfFuel`].
    pub fn finish(self) -> Result<(), HostError> {
        let mut world = locked(&self.world);
        let process = self.opened.at.worker.process;
        let traps = world.trap_count(process);
        world.finish(self.opened.at);
        world.run_due();
        world.first_trap_since(process, traps)
    }

    /// Passes a chunk; what came out for it is the end of what has come out so far.
    fn pass_chunk(
        &self,
        direction: Direction,
        chunk: &[u8],
        end_of_stream: bool,
        out: impl Fn(&Transcript) -> &[u8],
    ) -> Result<Passed<Vec<u8>>, HostError> {
        let seen = |transcript: &Transcript| (transcript.chunks, out(transcript).len());
        let (chunks, length) = seen(&locked(&self.opened.transcript));
        self.drive(|world| world.arrive_body(self.opened.at, direction, chunk.to_vec(), end_of_stream))?;
        let transcript = locked(&self.opened.transcript);
        Ok(Passed {
            action: if transcript.chunks > chunks {
                Action::Continue
            } else {
                Action::Pause
            },
            content: out(&transcript).get(length..).unwrap_or_default().to_vec(),
        })
    }

    fn action(&self, passed: impl FnOnce(&Transcript) -> bool) -> Action {
        if passed(&locked(&self.opened.transcript)) {
            Action::Continue
        } else {
            Action::Pause
        }
    }

    /// Does something to the stream, and all that follows from it now.
    fn drive(&self, action: impl FnOnce(&mut World)) -> Result<(), HostError> {
        let mut world = locked(&self.world);
        let world = &mut *world;
        let process = self.opened.at.worker.process;
        world.require_vm(self.opened.at)?;
        let traps = world.trap_count(process);
        action(world);
        world.run_due();
        world.first_trap_since(process, traps)
    }
}
