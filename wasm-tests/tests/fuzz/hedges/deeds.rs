//! What can happen to a filter that hedges.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use weir_wasm_tests::Request;

use crate::text::{Text, header_value};

pub(super) const READ: &str = "orders-read";
pub(super) const OTHER: &str = "orders-write";

/// Host functions that fail in a storm.
pub(super) const FUNCTIONS: [&str; 7] = [
    "proxy_get_shared_data",
    "proxy_set_shared_data",
    "proxy_get_current_time_nanoseconds",
    "proxy_get_property",
    "proxy_replace_header_map_value",
    "proxy_get_header_map_pairs",
    "proxy_remove_header_map_value",
];

/// Headers that mean something to the filter, or to the router.
const NAMES: [&str; 12] = [
    "x-envoy-retry-on",
    "x-envoy-retry-grpc-on",
    "X-Envoy-Max-Retries",
    "x-envoy-retriable-status-codes",
    "x-envoy-hedge-on-per-try-timeout",
    "x-envoy-upstream-rq-per-try-timeout-ms",
    "X-ENVOY-UPSTREAM-RQ-PER-TRY-TIMEOUT-MS",
    "Idempotency-Key",
    "content-length",
    "transfer-encoding",
    "upgrade",
    "x-weir-cluster",
];

const VALUES: [&str; 12] = [
    "true",
    "5xx,reset,retriable-status-codes",
    "1",
    "10",
    "+1",
    "0",
    "99",
    "18446744073709551616",
    "chunked",
    "websocket",
    READ,
    OTHER,
];

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Budget {
    pub(super) ppm: u32,
    pub(super) min_per_second: u32,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Policy {
    pub(super) shadow: bool,
    pub(super) off: bool,
    quantile_ppm: u32,
    pub(super) min_ms: u32,
    pub(super) max_ms: u32,
    cold: bool,
    pub(super) methods: Vec<String>,
    pub(super) keyed: bool,
    pub(super) max_body: u64,
    timeout_ms: u64,
}

/// A request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Ask {
    pub(super) method: String,
    pub(super) headers: Vec<(String, Text)>,
    pub(super) body: bool,
    pub(super) elsewhere: bool,
}

/// How replicas answer, until there is another way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Answers {
    pub(super) status: u16,
    pub(super) first_ms: u64,
    pub(super) second_ms: u64,
    pub(super) fields: Vec<(String, Text)>,
    pub(super) resets: bool,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Deed {
    Ask {
        worker: usize,
        ask: Ask,
        times: usize,
    },
    Answers(Answers),
    /// Milliseconds.
    Advance(u64),
    /// The client of the oldest request that is under way.
    Abort,
    /// The other policy.
    Configure,
    /// Other workers are faster so many times.
    Busy(u64),
    Lose(usize),
    /// Of the wall clock, nanoseconds.
    Step(i64),
    /// A request whose number of tries reads so.
    Told {
        worker: usize,
        tries: Text,
    },
    /// With a chance in percent.
    Fail {
        function: usize,
        chance: u8,
    },
    Recover,
}

pub(super) fn budget() -> impl Strategy<Value = Budget> {
    let ppm = select(vec![0, 20_000, 100_000, 1_000_000]);
    let min = select(vec![0, 0, 1, 10]);
    (ppm, min).prop_map(|(ppm, min_per_second)| Budget { ppm, min_per_second })
}

pub(super) fn policy() -> impl Strategy<Value = Policy> {
    let methods = prop_oneof![
        3 => Just(vec!["GET", "HEAD"]),
        1 => subsequence(vec!["GET", "HEAD", "OPTIONS", "POST"], 0..4),
    ];
    let delays = (1..60_u32, 0..100_u32, prop::bool::weighted(0.2));
    let flags = (
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.1),
        any::<bool>(),
    );
    let bounds = (select(vec![0_u64, 1, 50]), select(vec![40_u64, 15_000]));
    (methods, 1..1_000_000_u32, delays, flags, bounds).prop_map(
        |(methods, quantile_ppm, (min_ms, more_ms, cold), (shadow, off, keyed), (max_body, timeout_ms))| {
            Policy {
                shadow,
                off,
                quantile_ppm,
                min_ms,
                max_ms: min_ms + more_ms,
                cold,
                methods: methods.into_iter().map(str::to_owned).collect(),
                keyed,
                max_body,
                timeout_ms,
            }
        },
    )
}

impl Policy {
    pub(super) fn to_json(&self, budget: Budget, generation: u64) -> Value {
        let headers = if self.keyed {
            vec!["idempotency-key"]
        } else {
            vec![]
        };
        let mut policy = json!({
            "shadow": self.shadow, "quantilePpm": self.quantile_ppm, "minDelayMs": self.min_ms, "maxDelayMs": self.max_ms,
            "budget": {"ppm": budget.ppm, "minPerSecond": budget.min_per_second},
            "methods": self.methods, "idempotentHeaders": headers, "maxRequestBodyBytes": self.max_body,
            "overload": {"errorPpm": 200_000, "latencyFactorPpm": 2_000_000},
            "maxRetries": 1, "clusters": [READ], "routeTimeoutsMs": {"all": self.timeout_ms}
        });
        if !self.cold {
            policy["coldStartDelayMs"] = self.max_ms.into();
        }
        let (rules, policies) = match self.off {
            true => (json!([]), json!({})),
            false => (
                json!([{"policy": "default/reads"}]),
                json!({"default/reads": policy}),
            ),
        };
        json!({
            "format": 1, "slot": "weir/default/edge/request-hedge", "generation": generation,
            "rules": rules, "policies": policies
        })
    }

    /// Whether a second try of this request may leave.
    pub(super) fn may_hedge(&self, ask: &Ask) -> bool {
        let idempotent = self.keyed && ask.first("idempotency-key").is_some();
        let fits = match ask.first("content-length") {
            Some(length) => plain_number(&length).is_some_and(|length| length <= self.max_body),
            None => ["GET", "HEAD", "OPTIONS", "TRACE"].contains(&ask.method.as_str()),
        };
        let plain = ["upgrade", "transfer-encoding"]
            .iter()
            .all(|name| ask.first(name).is_none());
        let cluster = ask.first("x-weir-cluster");
        let cluster = cluster.unwrap_or_else(|| if ask.elsewhere { OTHER } else { READ }.into());
        let enforced = !self.shadow && !self.off;
        enforced
            && (self.methods.contains(&ask.method) || idempotent)
            && fits
            && plain
            && cluster == READ.as_bytes()
    }
}

fn plain_number(text: &[u8]) -> Option<u64> {
    let text = text.trim_ascii();
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    digits
        .then(|| String::from_utf8_lossy(text).parse().ok())
        .flatten()
}

impl Ask {
    fn first(&self, name: &str) -> Option<Vec<u8>> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.bytes())
    }

    pub(super) fn to_request(&self) -> Request {
        let path = if self.elsewhere { "/elsewhere" } else { "/a" };
        let headers = self.headers.iter();
        let request = headers.fold(Request::new(&self.method, path), |request, (name, value)| {
            request.header(name, value.bytes())
        });
        if self.body { request.body("x") } else { request }
    }
}

fn ask() -> impl Strategy<Value = Ask> {
    let value = prop_oneof![4 => select(&VALUES[..]).prop_map(Text::plain), 1 => header_value()];
    let headers = prop::collection::vec((select(&NAMES[..]).prop_map(str::to_owned), value), 0..4);
    let headers = prop_oneof![2 => Just(Vec::new()), 1 => headers];
    let method = prop_oneof![4 => Just("GET"), 1 => select(vec!["HEAD", "OPTIONS", "POST", "TRACE", "CONNECT", "get"])];
    (method, headers, any::<bool>(), prop::bool::weighted(0.1)).prop_map(
        |(method, headers, body, elsewhere)| Ask {
            body: body && method == "POST",
            method: method.to_owned(),
            headers,
            elsewhere,
        },
    )
}

fn answers() -> impl Strategy<Value = Answers> {
    let status = prop_oneof![6 => Just(200_u16), 1 => select(vec![204, 404, 429, 500, 503, 504])];
    let later = select(vec![
        "0",
        "1",
        "3",
        "-1",
        "99999999999999999999",
        "Thu, 01 Jan 2026 00:00:00 GMT",
    ]);
    let name = select(vec!["retry-after", "grpc-retry-pushback-ms"]).prop_map(str::to_owned);
    let value = prop_oneof![3 => later.prop_map(Text::plain), 1 => header_value()];
    let fields = prop::collection::vec((name, value), 0..2);
    let takes = || prop_oneof![Just(0_u64), 0..40_u64, 20..400_u64];
    (status, takes(), takes(), fields, prop::bool::weighted(0.1)).prop_map(
        |(status, first_ms, second_ms, fields, resets)| Answers {
            status,
            first_ms,
            second_ms,
            fields,
            resets,
        },
    )
}

/// What a host does that works.
pub(super) fn calm() -> impl Strategy<Value = Deed> {
    prop_oneof![
        3 => answers().prop_map(Deed::Answers),
        10 => (0..4_usize, ask(), 1..12_usize).prop_map(|(worker, ask, times)| Deed::Ask { worker, ask, times }),
        6 => prop_oneof![0..100_u64, 0..4_000_u64].prop_map(Deed::Advance),
        1 => Just(Deed::Abort),
        1 => Just(Deed::Configure),
        1 => (1..12_u64).prop_map(Deed::Busy),
        1 => (0..4_usize).prop_map(Deed::Lose),
    ]
}

/// What goes wrong.
pub(super) fn stormy() -> impl Strategy<Value = Deed> {
    prop_oneof![
        2 => (0..FUNCTIONS.len(), 1..=100_u8).prop_map(|(function, chance)| Deed::Fail { function, chance }),
        2 => Just(Deed::Recover),
        1 => (-20_000_000_000..20_000_000_000_i64).prop_map(Deed::Step),
        2 => (0..4_usize, header_value()).prop_map(|(worker, tries)| Deed::Told { worker, tries }),
    ]
}
