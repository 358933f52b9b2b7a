//! A request whose second try may leave.

use std::cell::RefCell;
use std::rc::Rc;

use weir_hedge::budget::{Escrow, Purse};
use weir_host::HostError;
use weir_host::port::StreamHost;

use crate::client_headers::{DELAY, HEDGE, MAX_RETRIES, RETRY_ON};

/// No status is retriable by itself, so that it is no other reason to try again.
const NO_OTHER_REASON: &[u8] = b"retriable-status-codes";

/// A token that is held for a request.
#[derive(Debug)]
pub(crate) struct Armed {
    pub(crate) delay_ms: u32,
    pub(crate) escrow: Escrow,
    pub(crate) purse: Rc<RefCell<Purse>>,
}

impl Armed {
    /// Gives the token back, or not.
    pub(crate) fn release(self, hedge_left: bool) {
        self.purse.borrow_mut().release(self.escrow, hedge_left);
    }
}

/// Tells Envoy to send a second try after the delay.
pub(crate) fn arm(delay_ms: u32, max_retries: u32, host: &impl StreamHost) -> Result<(), HostError> {
    host.set(HEDGE, b"true")?;
    host.set(MAX_RETRIES, max_retries.to_string().as_bytes())?;
    host.set(RETRY_ON, NO_OTHER_REASON)?;
    // The last: without it the others do nothing.
    host.set(DELAY, delay_ms.to_string().as_bytes())
}
