//! What every store does; `tests/contract.rs` holds each of them to it.

use weir_core::event::{Change, Event, Revision};

use crate::StoreError;

/// A durable log of events with revisions 1, 2, 3, … without gaps.
pub trait EventStore: Send + Sync {
    /// Appends `changes`, all or none, right after the revision `expected`; they are durable when this returns.
    ///
    /// `at_ms`: the instant of the events, Unix ms. The events come back as they are stored, in order; no changes, no
    /// events.
    ///
    /// Errors: [`StoreError::Moved`] when the last revision is not `expected`: nothing was written. After any other
    /// error, and when the future is dropped before it is done, [`last_revision`](Self::last_revision) tells whether
    /// all was written or nothing.
    fn append(
        &self,
        expected: Revision,
        at_ms: u64,
        changes: Vec<Change>,
    ) -> impl Future<Output = Result<Vec<Event>, StoreError>> + Send;

    /// At most `limit` events after the revision `after`, in order.
    fn read_after(
        &self,
        after: Revision,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Event>, StoreError>> + Send;

    /// The revision of the last event; 0 when there is none.
    fn last_revision(&self) -> impl Future<Output = Result<Revision, StoreError>> + Send;

    /// Waits for what is under way and lets everything go. Calls after it get [`StoreError::Closed`], except for
    /// `close` itself, which may be called again.
    fn close(&self) -> impl Future<Output = Result<(), StoreError>> + Send;
}
