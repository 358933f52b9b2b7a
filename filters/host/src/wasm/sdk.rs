//! The SDK's contexts around a filter's root and streams.

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{self, ContextType};

use crate::filter::{Action, Filter};
use crate::port::{CallId, Level, Log};
use crate::root::Root;
use crate::stream::Stream;
use crate::vm::Vm;
use crate::wasm::envoy::Envoy;

thread_local! {
    static VM: Rc<Vm> = Rc::default();
}

/// Makes `F` the filter of this VM; called once, when the VM starts.
pub fn start<F: Filter>() {
    std::panic::set_hook(Box::new(|panic| Envoy.log(Level::Critical, &panic.to_string())));
    proxy_wasm::set_root_context(|_| Box::new(SdkRoot(Root::<F>::new(VM.with(Rc::clone)))));
}

struct SdkRoot<F: Filter>(Root<F>);

impl<F: Filter> Context for SdkRoot<F> {
    fn on_http_call_response(&mut self, call: u32, _headers: usize, _body: usize, _trailers: usize) {
        self.0.on_call_end(CallId(call), &Envoy);
    }
}

impl<F: Filter> RootContext for SdkRoot<F> {
    fn on_configure(&mut self, _size: usize) -> bool {
        self.0.on_configure(&Envoy)
    }

    fn on_tick(&mut self) {
        self.0.on_tick(&Envoy);
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(SdkStream(self.0.open_stream())))
    }
}

impl<F: Filter> Drop for SdkRoot<F> {
    fn drop(&mut self) {
        self.0.on_close(&Envoy);
    }
}

struct SdkStream<F: Filter>(Stream<F>);

impl<F: Filter> Context for SdkStream<F> {}

impl<F: Filter> HttpContext for SdkStream<F> {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> types::Action {
        match self.0.on_request_headers(&Envoy) {
            Action::Continue => types::Action::Continue,
            Action::Pause => types::Action::Pause,
        }
    }

    fn on_http_response_headers(&mut self, _count: usize, _end_of_stream: bool) -> types::Action {
        self.0.on_response_headers(&Envoy);
        types::Action::Continue
    }
}

/// The context's end is the stream's: Envoy's other callbacks at the end, done and log, would each be one more call into
/// the VM.
impl<F: Filter> Drop for SdkStream<F> {
    fn drop(&mut self) {
        self.0.on_end(&Envoy);
    }
}
