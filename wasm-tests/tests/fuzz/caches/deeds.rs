//! What can happen to a cache.

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::text::{Text, header_value};

/// Host functions that fail in a storm.
pub(super) const FUNCTIONS: [&str; 12] = [
    "proxy_get_shared_data",
    "proxy_set_shared_data",
    "proxy_get_current_time_nanoseconds",
    "proxy_get_header_map_pairs",
    "proxy_add_header_map_value",
    "proxy_remove_header_map_value",
    "proxy_get_buffer_bytes",
    "proxy_http_call",
    "proxy_enqueue_shared_queue",
    "proxy_send_local_response",
    "proxy_replace_header_map_value",
    "proxy_get_property",
];

/// Fields of an answer that mean something to a cache.
const FIELDS: [&str; 10] = [
    "cache-control",
    "cdn-cache-control",
    "date",
    "expires",
    "age",
    "vary",
    "etag",
    "last-modified",
    "content-range",
    "x-any",
];

/// Values of `Cache-Control`.
const DIRECTIVES: [&str; 12] = [
    "max-age=60",
    "max-age=60",
    "max-age=1",
    "s-maxage=5, max-age=0",
    "no-cache",
    "max-age=2, stale-while-revalidate=30",
    "max-age=2, stale-if-error=30",
    "max-age=5, must-revalidate",
    "public, max-age=60",
    "no-store",
    "private, max-age=60",
    "immutable, max-age=600",
];

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Policy {
    swr_ms: u64,
    sie_ms: u64,
    default_ms: Option<u64>,
    max_waiters: u32,
    timeout_ms: u32,
    object_bytes: u64,
    compress: bool,
    sort_query: bool,
}

/// An answer of the origin, until there is another.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Origin {
    pub(super) status: u16,
    pub(super) directive: String,
    pub(super) fields: Vec<(String, Text)>,
    pub(super) after_ms: u64,
    pub(super) length: usize,
    /// It says 304 to whom has a version.
    pub(super) confirms: bool,
    pub(super) cookie: bool,
    pub(super) trailers: bool,
    pub(super) resets: bool,
}

/// A request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Ask {
    pub(super) path: u8,
    pub(super) tenant: u8,
    pub(super) head: bool,
    pub(super) gzip: bool,
    pub(super) signed: bool,
    pub(super) fields: Vec<(String, Text)>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Deed {
    Origin(Origin),
    Ask {
        worker: usize,
        ask: Ask,
        times: usize,
    },
    /// One that changes something.
    Change {
        worker: usize,
        path: u8,
        tenant: u8,
    },
    /// Of a path's tag, or of all.
    Purge(Option<u8>),
    /// Milliseconds.
    Advance(u64),
    /// The client of the oldest request that is under way.
    Abort,
    Configure,
    /// Other workers are faster so many times.
    Busy(u64),
    Lose(usize),
    /// Nanoseconds.
    Step(i64),
    /// With a chance in percent.
    Fail {
        function: usize,
        chance: u8,
    },
    Recover,
}

pub(super) fn policy() -> impl Strategy<Value = Policy> {
    let windows = (
        prop_oneof![Just(0), Just(5_000_u64)],
        prop_oneof![Just(0), Just(5_000_u64)],
        prop_oneof![Just(None), Just(Some(3_000_u64))],
    );
    let bounds = (
        0..20_u32,
        100..3_000_u32,
        prop_oneof![Just(600_u64), Just(65_536)],
    );
    (windows, bounds, any::<bool>(), any::<bool>()).prop_map(|(windows, bounds, compress, sort_query)| {
        let ((swr_ms, sie_ms, default_ms), (max_waiters, timeout_ms, object_bytes)) = (windows, bounds);
        Policy {
            swr_ms,
            sie_ms,
            default_ms,
            max_waiters,
            timeout_ms,
            object_bytes,
            compress,
            sort_query,
        }
    })
}

impl Policy {
    pub(super) fn to_json(&self, generation: u64) -> Value {
        let mut ttl = json!({"hitForMissMs": 2_000});
        if let Some(default_ms) = self.default_ms {
            ttl["defaultMs"] = default_ms.into();
        }
        let shard_keys = json!({"rules": [{"policy": "default/tenants"}], "maps": {"default/tenants": [{"header": "x-tenant"}]}});
        let mut policy = json!({
            "key": {"version": 1, "query": "all", "sortQuery": self.sort_query, "shardKeys": shard_keys}, "ttl": ttl,
            "stale": {"whileRevalidateMs": self.swr_ms, "ifErrorMs": self.sie_ms},
            "tags": {"headers": ["surrogate-key"]}, "targets": ["cdn-cache-control"],
            "limits": {"objectBytes": self.object_bytes, "totalBytes": 4_194_304, "objects": 256},
            "coalesce": {"maxWaiters": self.max_waiters, "timeoutMs": self.timeout_ms}, "callTimeoutMs": 1_000
        });
        if self.compress {
            policy["compress"] = json!({"minBytes": 100, "types": ["text/*"]});
        }
        json!({
            "format": 1, "slot": "weir/default/edge/edge-cache", "generation": generation,
            "rules": [{"policy": "default/cache"}], "policies": {"default/cache": policy},
            "control": {"cluster": "weir-control"}
        })
    }
}

fn fields() -> impl Strategy<Value = Vec<(String, Text)>> {
    let vary = prop_oneof![
        3 => Just("accept-language"),
        2 => prop::sample::select(vec!["x-any, accept-encoding", "*", "X-Tenant"]),
    ];
    let tag = prop::sample::select(vec!["\"v1\"", "W/\"v2\"", "v3"]);
    let date = prop::sample::select(vec![
        "Thu, 01 Jan 2026 00:00:00 GMT",
        "Fri, 02 Jan 2026 00:00:00 GMT",
        "0",
    ]);
    let known = prop_oneof![
        vary.prop_map(|value| ("vary", value)),
        tag.prop_map(|value| ("etag", value)),
        date.clone().prop_map(|value| ("last-modified", value)),
        date.prop_map(|value| ("expires", value)),
        prop::sample::select(vec!["0", "5", "-1", "99999999999"]).prop_map(|value| ("age", value)),
    ];
    let known = known.prop_map(|(name, value)| (name.to_owned(), Text::plain(value)));
    let odd = (prop::sample::select(FIELDS.to_vec()), header_value());
    let odd = odd.prop_map(|(name, value)| (name.to_owned(), value));
    prop::collection::vec(prop_oneof![3 => known, 1 => odd], 0..4)
}

fn origin() -> impl Strategy<Value = Origin> {
    let status =
        prop_oneof![8 => Just(200_u16), 1 => prop::sample::select(vec![204, 206, 301, 404, 500, 503])];
    let directive = prop::sample::select(DIRECTIVES.to_vec()).prop_map(str::to_owned);
    let flags = (
        any::<bool>(),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.1),
    );
    // The last is put in the place of another body.
    let size = prop_oneof![4 => Just(0_usize), 4 => Just(300), 4 => Just(700), 1 => Just(40_000)];
    (
        status,
        directive,
        fields(),
        prop_oneof![Just(0_u64), 0..200_u64, 0..3_000_u64],
        size,
        flags,
    )
        .prop_map(
            |(status, directive, fields, after_ms, length, (confirms, cookie, trailers, resets))| Origin {
                status,
                directive,
                fields,
                after_ms,
                length,
                confirms,
                cookie,
                trailers,
                resets,
            },
        )
}

/// The first of `count` more often than the others, so that requests meet.
fn often_first(count: u8) -> impl Strategy<Value = u8> {
    prop_oneof![3 => Just(0), 1 => 0..count]
}

fn ask() -> impl Strategy<Value = Ask> {
    let wish = prop::sample::select(vec![
        "no-cache",
        "max-age=0",
        "max-stale",
        "no-store",
        "min-fresh=9",
    ]);
    let field = prop_oneof![
        1 => wish.prop_map(|value| ("cache-control".to_owned(), Text::plain(value))),
        3 => prop::sample::select(vec!["en", "de"])
            .prop_map(|value| ("accept-language".to_owned(), Text::plain(value))),
        1 => header_value().prop_map(|value| ("x-any".to_owned(), value)),
        1 => header_value().prop_map(|value| ("cache-control".to_owned(), value)),
    ];
    let flags = (
        prop::bool::weighted(0.1),
        any::<bool>(),
        prop::bool::weighted(0.25),
    );
    (
        often_first(4),
        often_first(3),
        flags,
        prop::collection::vec(field, 0..2),
    )
        .prop_map(|(path, tenant, (head, gzip, signed), fields)| Ask {
            path,
            tenant,
            head,
            gzip,
            signed,
            fields,
        })
}

/// What a host does that works.
pub(super) fn calm() -> impl Strategy<Value = Deed> {
    prop_oneof![
        4 => origin().prop_map(Deed::Origin),
        10 => (0..2_usize, ask(), 1..6_usize).prop_map(|(worker, ask, times)| Deed::Ask { worker, ask, times }),
        1 => (0..2_usize, often_first(4), often_first(3)).prop_map(|(worker, path, tenant)| Deed::Change { worker, path, tenant }),
        3 => prop::option::of(often_first(4)).prop_map(Deed::Purge),
        5 => prop_oneof![0..100_u64, 0..4_000_u64].prop_map(Deed::Advance),
        1 => Just(Deed::Abort),
        1 => Just(Deed::Configure),
        1 => (1..8_u64).prop_map(Deed::Busy),
    ]
}

/// What goes wrong.
pub(super) fn stormy() -> impl Strategy<Value = Deed> {
    prop_oneof![
        2 => (0..FUNCTIONS.len(), 1..=100_u8).prop_map(|(function, chance)| Deed::Fail { function, chance }),
        2 => Just(Deed::Recover),
        1 => (0..2_usize).prop_map(Deed::Lose),
        1 => (-20_000_000_000..20_000_000_000_i64).prop_map(Deed::Step),
    ]
}
