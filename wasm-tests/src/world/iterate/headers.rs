//! How headers pass a chain.

use crate::abi::Direction;
use crate::world::iterate::{Outcome, verdict};
use crate::world::stream::{AtHeaders, Stop};
use crate::world::{StreamRef, World};

impl World {
    /// Passes headers to a filter and those after it; without one to what stands behind the chain.
    pub(in crate::world) fn pass_headers(
        &mut self,
        at: StreamRef,
        filter: Option<usize>,
        direction: Direction,
        end: bool,
    ) {
        if !self.goes_on(at, direction) {
            return;
        }
        let Some(filter) = filter else {
            return self.headers_out(at, direction, end);
        };
        if direction == Direction::Request && self.make_context(at, filter).is_none() {
            if let Outcome::Passed = self.filter_is_gone(at, filter) {
                let next = self.next(at, filter, direction);
                self.pass_headers(at, next, direction, end);
            }
            return;
        }
        self.show_headers(at, filter, direction, true);
        self.set_at_headers(at, filter, direction, AtHeaders::Inside);
        let count = self.header_count(at, direction);
        let outcome = self.call_filter(at, filter, direction.headers(), |context| {
            (context, count, u32::from(end))
        });
        self.settle_filter(at, filter);
        let sent_on = self.set_at_headers(at, filter, direction, AtHeaders::Elsewhere) == AtHeaders::SentOn;
        let goes_on = self.note_headers(at, filter, direction, &outcome, sent_on);
        if goes_on && sent_on {
            self.crash(
                at,
                "to continue a stream in the headers callback that lets it go on anyway",
            );
        } else if goes_on {
            let next = self.next(at, filter, direction);
            self.pass_headers(at, next, direction, end);
        }
    }

    fn set_at_headers(
        &mut self,
        at: StreamRef,
        filter: usize,
        direction: Direction,
        now: AtHeaders,
    ) -> AtHeaders {
        let slot = self.slot_mut(at, filter);
        slot.map_or(AtHeaders::Elsewhere, |slot| {
            std::mem::replace(&mut slot.side_mut(direction).at_headers, now)
        })
    }

    /// Notes what a filter wants done with the headers; true when they go on.
    fn note_headers(
        &mut self,
        at: StreamRef,
        filter: usize,
        direction: Direction,
        outcome: &Outcome,
        sent_on: bool,
    ) -> bool {
        let Outcome::Returned(returned) = *outcome else {
            return matches!(outcome, Outcome::Passed);
        };
        if matches!(returned, verdict::CONTINUE | verdict::CONTINUE_AND_END) {
            self.show_headers(at, filter, direction, false);
            return true;
        }
        if let Some(slot) = self.slot_mut(at, filter) {
            let single = returned == verdict::STOP && slot.holds_headers_only;
            let side = slot.side_mut(direction);
            side.stop = if single { Stop::Single } else { Stop::All };
            side.headers_pending = !sent_on;
        }
        false
    }
}
