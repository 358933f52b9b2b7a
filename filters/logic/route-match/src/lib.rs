//! Which rule of a slot a request belongs to: host, path, method and header matching.
//!
//! Envoy's Wasm filter has no per-route configuration, so a filter receives every rule of its slot and
//! decides itself. What is matched here must agree with the routes that Envoy itself was given: hosts are
//! compared as in Envoy's virtual hosts, prefixes as in `path_separated_prefix`, templates as in its
//! `uri_template` matcher, regular expressions as in `safe_regex` (full match).
//!
//! A request is read through [`RequestView`], header by header, and only as far as the rules need:
//! a [`Selector`] whose first rule has no condition reads nothing. Values are bytes; nothing here assumes UTF-8.
//!
//! Not for: choosing among thousands of rules. Rules are tried in their order, each in time linear in its text.
//!
//! ```
//! use weir_policy::matching::{PathMatch, RequestMatch};
//! use weir_route_match::Matcher;
//!
//! let orders = RequestMatch {
//!     host: Some("*.example.com".into()),
//!     path: Some(PathMatch::Template("/users/{id}/orders/**".into())),
//!     ..RequestMatch::default()
//! };
//! let matcher = Matcher::try_new(&orders).unwrap();
//! let request: [(&str, &[u8]); 2] = [(":authority", b"API.example.com:8443"), (":path", b"/users/7/orders/?page=2")];
//! assert!(matcher.matches(&request[..]));
//! ```

mod host;
mod matcher;
mod path;
mod selector;
mod template;
mod view;

pub use host::HostPattern;
pub use matcher::Matcher;
pub use path::PathPattern;
pub use selector::Selector;
pub use template::{PathTemplate, TemplateError, Variable};
pub use view::{RequestView, path_of, query_of};
