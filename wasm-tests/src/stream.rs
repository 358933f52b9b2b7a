//! A stream that is open.

use crate::error::HostError;
use crate::header_map::HeaderMap;
use crate::request::{Passed, RequestOutcome};
use crate::vm::Body;
use crate::worker::Worker;

/// One request in flight on one worker. Dropped without [`Stream::finish`] it stays open, like a client that never
/// hangs up.
#[must_use = "a stream stays open until it is finished"]
pub struct Stream {
    worker: Worker,
    vm: u64,
    context: u32,
    at_open: RequestOutcome,
}

impl Stream {
    pub(crate) fn new(worker: Worker, vm: u64, context: u32, at_open: RequestOutcome) -> Self {
        Self {
            worker,
            vm,
            context,
            at_open,
        }
    }

    /// The id of the stream's context in its VM.
    pub fn context_id(&self) -> u32 {
        self.context
    }

    /// What the filter has made of the request by now; after a trap of the VM, what it was when the stream was opened.
    pub fn outcome(&self) -> RequestOutcome {
        let now = self.worker.with_vm(self.vm, |vm| Ok(vm.outcome(self.context)));
        now.unwrap_or_else(|_| self.at_open.clone())
    }

    /// Passes a chunk of the request's body. While the filter holds the headers, nothing is passed (Envoy stops all
    /// iteration), and the chunk waits.
    ///
    /// # Errors
    /// [`HostError::Trap`], [`HostError::OutOfFuel`] and [`HostError::VmGone`].
    pub fn request_body(&self, chunk: &[u8], end_of_stream: bool) -> Result<Passed<Vec<u8>>, HostError> {
        self.worker.with_vm(self.vm, |vm| {
            vm.body(self.context, Body::Request, chunk, end_of_stream)
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
        self.worker.with_vm(self.vm, |vm| {
            vm.response_headers(self.context, headers, end_of_stream)
        })
    }

    /// Passes a chunk of the response's body.
    ///
    /// # Errors
    /// As [`Stream::request_body`].
    pub fn response_body(&self, chunk: &[u8], end_of_stream: bool) -> Result<Passed<Vec<u8>>, HostError> {
        self.worker.with_vm(self.vm, |vm| {
            vm.body(self.context, Body::Response, chunk, end_of_stream)
        })
    }

    /// Ends the stream: done, log, delete. A VM that has trapped is told nothing, as in Envoy.
    ///
    /// # Errors
    /// [`HostError::Trap`] and [`HostError::OutOfFuel`].
    pub fn finish(self) -> Result<(), HostError> {
        match self.worker.with_vm(self.vm, |vm| vm.finish_stream(self.context)) {
            Err(HostError::VmGone { .. }) => Ok(()),
            result => result,
        }
    }
}
