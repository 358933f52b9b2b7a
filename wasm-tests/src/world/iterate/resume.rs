//! How a stopped stream goes on.

use crate::abi::Direction;
use crate::world::stream::{AtHeaders, Stop};
use crate::world::{StreamRef, World};

impl World {
    /// A filter continues a stream in its headers callback: the headers go on at that moment, and what the callback
    /// returns counts afterwards.
    fn resume_at_headers(&mut self, at: StreamRef, filter: usize, direction: Direction) -> bool {
        let Some(slot) = self.slot_mut(at, filter) else {
            return false;
        };
        let side = slot.side_mut(direction);
        if side.at_headers != AtHeaders::Inside {
            return false;
        }
        side.at_headers = AtHeaders::SentOn;
        let next = self.next(at, filter, direction);
        let complete = self
            .stream_mut(at)
            .is_some_and(|stream| stream.arrival(direction).complete);
        let end = complete && !self.has_trailers(at, direction);
        self.pass_headers(at, next, direction, end);
        true
    }

    /// Lets a stopped stream go on after a filter: what waits passes, in order. After a stop of everything the filter
    /// itself gets body and trailers first.
    pub(in crate::world) fn resume(&mut self, at: StreamRef, filter: usize, direction: Direction) {
        if self.resume_at_headers(at, filter, direction) {
            return;
        }
        let complete = self
            .stream_mut(at)
            .is_some_and(|stream| stream.arrival(direction).complete);
        let has_trailers = self.has_trailers(at, direction);
        let Some(slot) = self.slot_mut(at, filter) else {
            return;
        };
        let side = slot.side_mut(direction);
        let stop = std::mem::take(&mut side.stop);
        if stop == Stop::No {
            return;
        }
        let headers = std::mem::take(&mut side.headers_pending);
        let trailers = std::mem::take(&mut side.trailers_pending);
        let body = self.waiting_body(at, filter, direction);
        let next = self.next(at, filter, direction);
        let from = if stop == Stop::All { Some(filter) } else { next };
        if headers {
            let end = complete && body.is_none() && !trailers;
            self.show_headers(at, filter, direction, false);
            self.pass_headers(at, next, direction, end);
        }
        if let Some(body) = body {
            self.pass_body(at, from, direction, body, complete && !has_trailers);
        }
        if trailers {
            self.pass_trailers(at, from, direction);
        }
    }

    /// What a filter has looked at and held back, then what has come since.
    fn waiting_body(&mut self, at: StreamRef, filter: usize, direction: Direction) -> Option<Vec<u8>> {
        let side = self.slot_mut(at, filter)?.side_mut(direction);
        let holding = std::mem::take(&mut side.holding);
        let waiting = side.buffer.take();
        let held = self.with_view(at, filter, |stream| stream.view_mut(direction).body.take());
        match held.flatten().filter(|_| holding) {
            Some(held) => Some([held, waiting.unwrap_or_default()].concat()),
            None => waiting,
        }
    }
}
