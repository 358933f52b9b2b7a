//! How a body passes a chain.

use crate::abi::Direction;
use crate::vm::length;
use crate::world::iterate::{Outcome, verdict};
use crate::world::router::own_reply;
use crate::world::stream::Stop;
use crate::world::{StreamRef, World};

impl World {
    /// Passes a chunk of body to a filter and those after it.
    pub(in crate::world) fn pass_body(
        &mut self,
        at: StreamRef,
        filter: Option<usize>,
        direction: Direction,
        chunk: Vec<u8>,
        end: bool,
    ) {
        if !self.goes_on(at, direction) {
            return;
        }
        let Some(filter) = filter else {
            return self.body_out(at, direction, chunk, end);
        };
        let Some(slot) = self.slot_mut(at, filter) else {
            return;
        };
        let side = slot.side_mut(direction);
        if side.stop == Stop::All {
            side.buffer.get_or_insert_default().extend(chunk);
            return;
        }
        let size = self.offer_body(at, filter, direction, chunk, end);
        let outcome = self.call_filter(at, filter, direction.body(), |context| {
            (context, size, u32::from(end))
        });
        self.settle_filter(at, filter);
        if let Some(body) = self.note_body(at, filter, direction, &outcome, end) {
            self.body_goes_on(at, filter, direction, body, end);
        }
    }

    /// Lets a filter see a chunk, after what it holds back; tells how much that is.
    fn offer_body(
        &mut self,
        at: StreamRef,
        filter: usize,
        direction: Direction,
        chunk: Vec<u8>,
        end: bool,
    ) -> u32 {
        let shown = self.with_view(at, filter, |stream| {
            let view = stream.view_mut(direction);
            let body = view.body.get_or_insert_default();
            body.extend(&chunk);
            view.end_of_stream = end;
            length(body)
        });
        if shown.is_none()
            && let Some(slot) = self.slot_mut(at, filter)
        {
            // No context: the chunk only passes through.
            slot.side_mut(direction)
                .buffer
                .get_or_insert_default()
                .extend(chunk);
        }
        shown.unwrap_or_default()
    }

    /// Notes what a filter wants done with the body; what goes on, if anything.
    fn note_body(
        &mut self,
        at: StreamRef,
        filter: usize,
        direction: Direction,
        outcome: &Outcome,
        end: bool,
    ) -> Option<Vec<u8>> {
        let seen = self.with_view(at, filter, |stream| {
            let view = stream.view_mut(direction);
            view.end_of_stream = false;
            view.body.take()
        });
        let body = seen.flatten();
        let added_trailers = end && self.has_trailers(at, direction);
        let side = self.slot_mut(at, filter)?.side_mut(direction);
        let returned = match outcome {
            Outcome::Returned(returned) => *returned,
            Outcome::Passed => {
                let waited = side.buffer.take().unwrap_or_default();
                return Some(body.unwrap_or(waited));
            }
            Outcome::Failed => return None,
        };
        if returned == verdict::CONTINUE {
            side.holding = false;
            return Some(body.unwrap_or_default());
        }
        side.stop = Stop::Single;
        side.trailers_pending |= added_trailers;
        match returned {
            verdict::STOP => {
                side.holding = true;
                let held = body.as_ref().map_or(0, Vec::len);
                self.with_view(at, filter, |stream| stream.view_mut(direction).body = body);
                self.limit_held_body(at, direction, held);
            }
            verdict::STOP_AND_STREAM => side
                .buffer
                .get_or_insert_default()
                .extend(body.unwrap_or_default()),
            verdict::STOP_WITHOUT_BUFFER.. if end => drop(side.buffer.get_or_insert_default()),
            _ => {}
        }
        None
    }

    /// A filter can't hold back more than the chain's limit.
    fn limit_held_body(&mut self, at: StreamRef, direction: Direction, held: usize) {
        if self
            .stream(at)
            .is_none_or(|stream| held <= stream.chain.buffer_limit)
        {
            return;
        }
        let (status, body, details) = match direction {
            Direction::Request => (413, "Payload Too Large", "request_payload_too_large"),
            Direction::Response => (500, "Internal Server Error", "response_payload_too_large"),
        };
        self.local_reply(at, own_reply(status, body, details));
    }

    /// A body that a filter lets pass: when it had stopped the stream before, everything that waits goes with it.
    fn body_goes_on(&mut self, at: StreamRef, filter: usize, direction: Direction, body: Vec<u8>, end: bool) {
        let Some(side) = self.slot_mut(at, filter).map(|slot| slot.side_mut(direction)) else {
            return;
        };
        if side.stop == Stop::Single {
            side.buffer.get_or_insert_default().extend(body);
            return self.resume(at, filter, direction);
        }
        let next = self.next(at, filter, direction);
        self.pass_body(
            at,
            next,
            direction,
            body,
            end && !self.has_trailers(at, direction),
        );
        if end && self.has_trailers(at, direction) {
            self.pass_trailers(at, next, direction);
        }
    }
}
