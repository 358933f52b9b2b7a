//! What a worker and a request do alike, since it is done to their process.

use crate::error::HostError;
use crate::fake::process::{Process, Released};
use crate::fake::stream::{Reply, named};
use crate::port::{ForeignFunctions, HeldStreams, Mail, QueueId, StreamId};

/// Something of a process.
pub(super) trait OfProcess {
    /// The process.
    fn process(&self) -> &Process;
}

impl<P: OfProcess> HeldStreams for P {
    fn answer_held(
        &self,
        stream: StreamId,
        status: u16,
        headers: &[u8],
        body: &[u8],
    ) -> Result<(), HostError> {
        let reply = Reply::http(status, &named(headers), body);
        self.process().release(stream, Released::Answered(reply));
        Ok(())
    }

    fn resume(&self, stream: StreamId) -> Result<(), HostError> {
        self.process().release(stream, Released::Resumed);
        Ok(())
    }
}

impl<P: OfProcess> Mail for P {
    fn enqueue(&self, queue: QueueId, message: &[u8]) -> Result<(), HostError> {
        self.process()
            .with_queue(queue, |messages| messages.push_back(message.to_vec()))
    }
}

/// No function is there.
impl<P: OfProcess> ForeignFunctions for P {
    fn call_foreign(&self, _name: &str, _argument: &[u8]) -> Result<Vec<u8>, HostError> {
        Err(HostError::NotFound)
    }
}
