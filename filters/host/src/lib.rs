//! The port to Envoy: what a filter may ask of its host, and the only crate that names proxy-wasm.
//!
//! A filter implements [`Filter`] against the small traits of [`port`] and names itself with [`filter!`]; it never
//! sees the ABI. What every filter owes is here, once: a configuration is parsed and refused with its reason in
//! the log, each worker reports the generation that it runs ([`worker`]), counters are kept in the VM and handed to
//! the host on the tick, an error is answered as problem+json or as a gRPC status ([`reply`]), and one worker of the
//! process speaks with the control plane for all ([`control`]).
//!
//! Two things stand behind the traits: the proxy-wasm ABI on `wasm32`, and [`fake`] everywhere else. The ABI's
//! calls are declared here rather than taken from the SDK, because the SDK panics on every status it does not
//! expect and on header values that are not UTF-8; a panic is a trap, and costs the whole VM. Here every status is a
//! [`HostError`], and a value is bytes. The SDK dispatches the callbacks, and makes the HTTP calls whose answers it
//! dispatches.
//!
//! Not for: network (L4) filters, request bodies; no filter needs them yet.
//!
//! ```
//! use weir_host::{Action, Counters, Filter, fake, port::StreamHost};
//!
//! struct Tag;
//!
//! impl Filter for Tag {
//!     const NAME: &'static str = "tag";
//!     type Exchange = ();
//!     type Memory = ();
//!     fn configure(_json: &[u8], _counters: &Counters) -> Result<Self, String> {
//!         Ok(Self)
//!     }
//!     fn slot(&self) -> &str {
//!         "weir/default/edge/tag"
//!     }
//!     fn generation(&self) -> u64 {
//!         1
//!     }
//!     fn on_request_headers(&self, _: &mut (), host: &impl StreamHost) -> Action {
//!         match host.set("x-tag", b"1") {
//!             Ok(()) => Action::Continue,
//!             Err(_) => Action::Pause,
//!         }
//!     }
//! }
//! weir_host::filter!(Tag);
//!
//! let stream = fake::Stream::new(&[(":path", b"/")]);
//! assert_eq!(Tag.on_request_headers(&mut (), &stream), Action::Continue);
//! assert_eq!(stream.values("x-tag"), [b"1"]);
//! ```

pub mod control;
mod counter;
mod error;
#[cfg(not(target_arch = "wasm32"))]
pub mod fake;
mod filter;
mod gauge;
pub mod port;
pub mod reply;
mod request;
mod root;
mod stream;
mod vm;
mod vm_number;
#[cfg(target_arch = "wasm32")]
pub mod wasm;
pub mod worker;

pub use counter::{Counter, Counters, label};
pub use error::HostError;
pub use filter::{Action, Filter};
pub use gauge::Gauge;
pub use request::Request;
pub use root::Root;
pub use stream::Stream;
pub use vm::Vm;
pub use vm_number::VmNumber;
pub use weir_pairs as pairs;

/// Makes the type, a [`Filter`], the filter of this module. Does nothing outside `wasm32`.
#[macro_export]
macro_rules! filter {
    ($filter:ident) => {
        /// What the host calls, and the SDK exports.
        #[cfg(target_arch = "wasm32")]
        #[allow(missing_docs, reason = "the SDK's macro writes a function without any")]
        mod exports {
            $crate::wasm::main! {{ $crate::wasm::start::<super::$filter>(); }}
        }
    };
}
