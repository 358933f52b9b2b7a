//! One request, from its headers to its stream's end.

use std::rc::Rc;

use crate::filter::{Action, Filter};
use crate::port::{Host, ResponseHost, StreamHost};
use crate::reply::Refusal;
use crate::request::Request;
use crate::vm::InFlight;

/// One request.
pub struct Stream<F: Filter> {
    running: Option<Running<F>>,
}

struct Running<F: Filter> {
    filter: Rc<F>,
    exchange: F::Exchange,
    _in_flight: InFlight,
}

impl<F: Filter> Stream<F> {
    /// A request that `filter` judges, or that none does.
    pub(crate) fn new(running: Option<(Rc<F>, InFlight)>) -> Self {
        let running = running.map(|(filter, in_flight)| Running {
            filter,
            exchange: F::Exchange::default(),
            _in_flight: in_flight,
        });
        Self { running }
    }

    /// The request's headers are there.
    pub fn on_request_headers(&mut self, host: &impl StreamHost) -> Action {
        match &mut self.running {
            Some(running) => running.filter.on_request_headers(&mut running.exchange, host),
            // Envoy sends no request to a root that refused its configuration; if it did, nothing passes unjudged.
            None => Refusal::proxy_failure().send(&Request::new(host)),
        }
    }

    /// The response's headers are there.
    pub fn on_response_headers(&mut self, ends: bool, host: &impl ResponseHost) {
        if let Some(running) = &mut self.running {
            let exchange = &mut running.exchange;
            running.filter.on_response_headers(exchange, ends, host);
        }
    }

    /// A part of the response's body passes.
    pub fn on_response_body(&mut self, size: usize, ends: bool, host: &impl ResponseHost) {
        if let Some(running) = &mut self.running {
            let exchange = &mut running.exchange;
            running.filter.on_response_body(exchange, size, ends, host);
        }
    }

    /// The response ends with trailers.
    pub fn on_response_trailers(&mut self, host: &impl ResponseHost) {
        if let Some(running) = &mut self.running {
            running.filter.on_response_trailers(&mut running.exchange, host);
        }
    }

    /// The stream is over. From now on the request counts as run no more, and nothing happens at another call.
    pub fn on_end(&mut self, host: &impl Host) {
        if let Some(running) = self.running.take() {
            running.filter.on_stream_end(running.exchange, host);
        }
    }
}
