//! The SDK's contexts around a filter's root and streams.

use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{self, ContextType};

use crate::filter::{Action, Filter};
use crate::port::{CallId, Level, Log, QueueId};
use crate::root::Root;
use crate::stream::Stream;
use crate::vm::Vm;
use crate::wasm::envoy::Envoy;

thread_local! {
    /// The `Vm` of the module's one filter.
    static VM: RefCell<Option<Rc<dyn Any>>> = const { RefCell::new(None) };
}

/// Makes `F` the filter of this VM; called once, when the VM starts.
pub fn start<F: Filter>() {
    std::panic::set_hook(Box::new(|panic| {
        Envoy::of(0).log(Level::Critical, &panic.to_string())
    }));
    proxy_wasm::set_root_context(|id| {
        Box::new(SdkRoot {
            root: Root::<F>::new(vm::<F>()),
            host: Envoy::of(id),
        })
    });
}

fn vm<F: Filter>() -> Rc<Vm<F::Memory>> {
    VM.with_borrow_mut(|kept| {
        let known = kept.as_ref().and_then(|vm| Rc::clone(vm).downcast().ok());
        known.unwrap_or_else(|| {
            let vm = Rc::<Vm<F::Memory>>::default();
            *kept = Some(Rc::clone(&vm) as Rc<dyn Any>);
            vm
        })
    })
}

struct SdkRoot<F: Filter> {
    root: Root<F>,
    host: Envoy,
}

impl<F: Filter> Context for SdkRoot<F> {
    fn on_http_call_response(&mut self, call: u32, _headers: usize, _body: usize, _trailers: usize) {
        self.root.on_call_end(CallId(call), &self.host);
    }
}

impl<F: Filter> RootContext for SdkRoot<F> {
    fn on_configure(&mut self, _size: usize) -> bool {
        self.root.on_configure(&self.host)
    }

    fn on_tick(&mut self) {
        self.root.on_tick(&self.host);
    }

    fn on_queue_ready(&mut self, queue: u32) {
        self.root.on_queue(QueueId(queue), &self.host);
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(SdkStream {
            stream: self.root.open_stream(),
            host: Envoy::of(id),
        }))
    }
}

impl<F: Filter> Drop for SdkRoot<F> {
    fn drop(&mut self) {
        self.root.on_close(&self.host);
    }
}

struct SdkStream<F: Filter> {
    stream: Stream<F>,
    host: Envoy,
}

impl<F: Filter> Context for SdkStream<F> {}

impl<F: Filter> HttpContext for SdkStream<F> {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> types::Action {
        match self.stream.on_request_headers(&self.host) {
            Action::Continue => types::Action::Continue,
            Action::Pause => types::Action::Pause,
        }
    }

    fn on_http_response_headers(&mut self, _count: usize, ends: bool) -> types::Action {
        self.stream.on_response_headers(ends, &self.host);
        types::Action::Continue
    }

    fn on_http_response_body(&mut self, size: usize, ends: bool) -> types::Action {
        self.stream.on_response_body(size, ends, &self.host);
        types::Action::Continue
    }

    fn on_http_response_trailers(&mut self, _count: usize) -> types::Action {
        self.stream.on_response_trailers(&self.host);
        types::Action::Continue
    }
}

/// The context's end is the stream's: Envoy's other callbacks at the end, done and log, would each be one more call into
/// the VM.
impl<F: Filter> Drop for SdkStream<F> {
    fn drop(&mut self) {
        self.stream.on_end(&self.host);
    }
}
