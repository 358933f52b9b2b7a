//! How trailers pass a chain.

use crate::abi::Direction;
use crate::world::iterate::{Outcome, verdict};
use crate::world::stream::Stop;
use crate::world::{StreamRef, World};

impl World {
    /// Passes trailers to a filter and those after it.
    pub(in crate::world) fn pass_trailers(
        &mut self,
        at: StreamRef,
        filter: Option<usize>,
        direction: Direction,
    ) {
        if !self.goes_on(at, direction) {
            return;
        }
        let Some(filter) = filter else {
            return self.trailers_out(at, direction);
        };
        let Some(side) = self.slot_mut(at, filter).map(|slot| slot.side_mut(direction)) else {
            return;
        };
        side.trailers_pending = true;
        if side.stop == Stop::All {
            return;
        }
        self.with_view(at, filter, |stream| stream.view_mut(direction).trailers = true);
        let count = self.trailer_count(at, direction);
        let outcome = self.call_filter(at, filter, direction.trailers(), |context| (context, count));
        self.settle_filter(at, filter);
        let goes_on = match outcome {
            Outcome::Returned(returned) => returned == verdict::CONTINUE,
            Outcome::Passed => true,
            Outcome::Failed => false,
        };
        if goes_on {
            self.with_view(at, filter, |stream| stream.view_mut(direction).trailers = false);
        } else if let Some(slot) = self.slot_mut(at, filter) {
            slot.side_mut(direction).stop = Stop::Single;
        }
        if goes_on {
            self.trailers_go_on(at, filter, direction);
        }
    }

    fn trailers_go_on(&mut self, at: StreamRef, filter: usize, direction: Direction) {
        let Some(side) = self.slot_mut(at, filter).map(|slot| slot.side_mut(direction)) else {
            return;
        };
        if side.stop == Stop::Single {
            return self.resume(at, filter, direction);
        }
        side.trailers_pending = false;
        let next = self.next(at, filter, direction);
        self.pass_trailers(at, next, direction);
    }
}
