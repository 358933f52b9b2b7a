//! Answers that come from within the proxy.

use crate::abi::Direction;
use crate::process::shared::locked;
use crate::request::LocalResponse;
use crate::world::{StreamRef, World, reply};

impl World {
    /// Answers a stream. Before there is a response, the answer passes the chain from its end, through the filters
    /// that the request has reached; while a response passes the chain, the answer goes to the client at once; when
    /// the response has begun to reach the client, nothing is left but to reset the stream.
    pub(super) fn local_reply(&mut self, at: StreamRef, response: LocalResponse) {
        let Some(stream) = self.stream_mut(at) else {
            return;
        };
        if stream.response_sent {
            return self.reset(at);
        }
        stream.answered = true;
        let direct = std::mem::replace(&mut stream.response.started, true);
        let body = {
            let mut flow = locked(&stream.flow);
            let (headers, body) = reply::prepare(&response, &flow.request.headers);
            flow.info.response_code_details = Some(response.details.replace(' ', "_"));
            flow.response.headers = headers;
            flow.response.trailers = None;
            body
        };
        locked(&stream.transcript).local_response = Some(response);
        self.give_up_tries(at);
        if direct {
            self.send_directly(at, body);
        } else {
            self.send_through_chain(at, body);
        }
    }

    fn send_through_chain(&mut self, at: StreamRef, body: Vec<u8>) {
        let end = body.is_empty();
        self.arrive_headers(at, Direction::Response, end);
        if !end {
            self.arrive_body(at, Direction::Response, body, true);
        }
    }

    fn send_directly(&mut self, at: StreamRef, body: Vec<u8>) {
        let end = body.is_empty();
        self.headers_out(at, Direction::Response, end);
        if !end {
            self.body_out(at, Direction::Response, body, true);
        }
    }
}
