//! Wasm filter that does nothing: the floor of the benchmarks.
//!
//! It stands on the same crate as the filters, so its cost is what any of them pays before it does something: Envoy's
//! calls into the VM for a stream (create, headers, delete), the SDK's dispatch, and the count of requests in flight
//! (two additions). It reads no configuration and, having no tick, reports nothing.

use weir_host::port::StreamHost;
use weir_host::{Action, Counters, Filter};

/// The filter.
#[derive(Debug)]
pub struct Noop;

weir_host::filter!(Noop);

impl Filter for Noop {
    const NAME: &'static str = "noop";

    type Exchange = ();
    type Memory = ();

    fn configure(_json: &[u8], _counters: &Counters) -> Result<Self, String> {
        Ok(Self)
    }

    fn slot(&self) -> &str {
        "noop"
    }

    fn generation(&self) -> u64 {
        0
    }

    fn on_request_headers(&self, _exchange: &mut (), _host: &impl StreamHost) -> Action {
        Action::Continue
    }
}
