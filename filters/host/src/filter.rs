//! What a filter is.

use weir_policy::compiled::ControlConfig;
use weir_policy::proxy::EventPage;

use crate::control::Report;
use crate::counter::Counters;
use crate::error::HostError;
use crate::port::{Host, ResponseHost, RootHost, StreamHost};

/// Whether a request goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// To the next filter.
    Continue,
    /// Not now: it was answered here.
    Pause,
}

/// A filter with its configuration.
///
/// The module exports what Envoy is to call: `proxy_on_request_headers` and `proxy_on_tick`, and where the filter has
/// them `proxy_on_response_headers` and `proxy_on_http_call_response` (for [`Filter::control`]). Every module exports
/// `proxy_on_delete`, the end of a context and so of a stream (for [`Filter::on_stream_end`]).
pub trait Filter: Sized + 'static {
    /// The filter's name in metrics: `shard-router`.
    const NAME: &'static str;

    /// What the filter keeps of a request until its stream ends; `()` for nothing.
    type Exchange: Default + 'static;

    /// Reads and checks a configuration. The error goes to the log, and the configuration is refused (a NACK).
    ///
    /// Runs in a canary VM as well, so it does nothing but this.
    fn configure(json: &[u8], counters: &Counters) -> Result<Self, String>;

    /// The name of the slot that the filter fills.
    fn slot(&self) -> &str;

    /// The configuration's generation.
    fn generation(&self) -> u64;

    /// Called once for each request.
    fn on_request_headers(&self, exchange: &mut Self::Exchange, host: &impl StreamHost) -> Action;

    /// The response's headers are there, the upstream's or those of a local reply, this filter's own replies included.
    /// Not called for a request that ends without a response.
    fn on_response_headers(&self, _exchange: &mut Self::Exchange, _host: &impl ResponseHost) {}

    /// The stream is over, however it ended: answered, here or upstream, or reset. Called once.
    fn on_stream_end(&self, _exchange: Self::Exchange, _host: &impl Host) {}

    /// How often [`Filter::on_tick`] is called, milliseconds: 1 to 1000, whatever this says.
    fn tick_period_ms(&self) -> u32 {
        1_000
    }

    /// Called on every tick in every worker, while this configuration is the worker's newest in use.
    fn on_tick(&self, _host: &impl RootHost) {}

    /// The way to the control plane (see [`crate::control`]); none: what follows is never called.
    fn control(&self) -> Option<&ControlConfig> {
        None
    }

    /// Something happened. Called in the worker that speaks for its process; what the others have to know is written to shared
    /// data here. The same events may come again, when that worker failed before it noted that they were taken.
    ///
    /// # Errors
    /// The events were not taken, or not all; they come again.
    fn on_events(&self, _page: &EventPage, _host: &impl RootHost) -> Result<(), HostError> {
        Ok(())
    }

    /// How often [`Filter::report`] is asked at most, milliseconds.
    fn report_period_ms(&self) -> u32 {
        250
    }

    /// What there is to report at `now`, Unix nanoseconds. Called in the worker that speaks for its process, while no other
    /// report of the process is under way.
    fn report(&self, _now: u64, _host: &impl RootHost) -> Option<Report> {
        None
    }

    /// The answer to the report that was made at `made`, Unix nanoseconds: at most two seconds ago, in the same worker.
    fn on_report_answer(&self, _made: u64, _body: &[u8], _host: &impl RootHost) {}
}
