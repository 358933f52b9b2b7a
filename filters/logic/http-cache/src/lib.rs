//! What a shared HTTP cache may store, whom it may answer with it, and what it says: bytes in, decisions out.
//!
//! [`CacheRules`] is one CachePolicy, compiled. It reads a request ([`Asked`]), judges the response ([`Head`],
//! [`NotStored`]), tells what a stored response is good for ([`Reuse`]) and makes answers of it ([`Answer`]). Sources: HTTP
//! caching (RFC 9111), HTTP semantics (RFC 9110: conditions, ranges, validators), stale answers (RFC 5861), immutable ones
//! (RFC 8246), targeted cache control (RFC 9213), `Cache-Status` (RFC 9211). Where those leave a choice, the choice is the
//! one that serves nothing too old: an `Age` or a lifetime that can't be read makes a response stale.
//!
//! Time is an argument, in Unix milliseconds; where things are stored, and how requests for the same wait for one another,
//! is the filter's.
//!
//! Not for: private caches, which may store more; nor for authorization: a policy that ignores a header which the origin
//! decides by gives one client's answer to another.
//!
//! ```
//! use weir_http_cache::{Asked, CacheRules, Headers, Hit, Reuse, Source, StoredBody, Tier};
//!
//! let policy = r#"{"key": {"version": 1, "query": "all"}, "ttl": {"hitForMissMs": 0},
//!     "stale": {"whileRevalidateMs": 0, "ifErrorMs": 0}, "tags": {"headers": []}, "targets": [],
//!     "limits": {"objectBytes": 1024, "totalBytes": 65536, "objects": 9},
//!     "coalesce": {"maxWaiters": 0, "timeoutMs": 0}, "callTimeoutMs": 1000}"#;
//! let policy = serde_json::from_str(policy).unwrap();
//! let rules = CacheRules::try_new(policy, &[]).unwrap();
//! let request: Headers = [(":method", "GET"), (":authority", "a.example"), (":path", "/")].into_iter().collect();
//! let Asked::Lookup(request) = rules.read(request) else { panic!() };
//!
//! let response: Headers = [("cache-control", "max-age=60"), ("etag", "\"1\"")].into_iter().collect();
//! let head = rules.judge(&request, 200, &response, 1_000_000, 1_000_000).unwrap();
//! assert_eq!(rules.reuse(&request, &head, 1_059_000, false), Reuse::Fresh);
//! assert_eq!(rules.reuse(&request, &head, 1_061_000, false), Reuse::Validate { stale_if_error: false });
//!
//! let hit = Hit { now_ms: 1_059_000, tier: Tier::Memory, source: Source::Hit, collapsed: false };
//! let answer = rules.answer(&request, &head, StoredBody::default(), &hit);
//! assert_eq!(answer.headers.get("age"), Some(&b"59"[..]));
//! assert_eq!(answer.headers.get("cache-status"), Some(&br#"weir; hit; ttl=1; key="v1"; detail="memory""#[..]));
//! ```

mod answer;
mod ask;
mod cache_status;
mod conditional;
mod date;
mod directives;
mod forward;
mod freshness;
mod head;
mod headers;
mod invalidate;
mod judge;
mod key;
mod object;
mod persisted;
mod range;
mod request;
mod reuse;
mod rules;
mod slot;
mod stored;
mod structured;
mod text;
mod url;
mod validation;
mod vary;
mod wire;

pub use answer::{Answer, BodyPart, Hit, Source, StoredBody, Tier};
pub use ask::{Asked, Pass};
pub use cache_status::FwdReason;
pub use forward::{Change, Forwarded};
pub use head::Head;
pub use headers::{HeaderFields, HeaderValues, Headers};
pub use judge::NotStored;
pub use key::CacheKey;
pub use object::{Encoding, Object};
pub use range::Part;
pub use request::{CacheRequest, Method, RequestDirectives};
pub use reuse::{Reuse, Unusable};
pub use rules::CacheRules;
pub use slot::CacheSlot;
pub use url::{url_of, url_under};
pub use validation::{CONDITIONAL_FIELDS, Updated};
pub use vary::VaryRule;
