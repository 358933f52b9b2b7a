//! What happens to a process with limits.

use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use weir_wasm_tests::Request;

use crate::text::{Text, header_byte};

/// The host functions that fail, by number: a filter can do without each of them.
const FUNCTIONS: [&str; 8] = [
    "proxy_get_shared_data",
    "proxy_set_shared_data",
    "proxy_get_current_time_nanoseconds",
    "proxy_get_header_map_pairs",
    "proxy_get_header_map_value",
    "proxy_add_header_map_value",
    "proxy_get_property",
    "proxy_send_local_response",
];

/// One thing that happens. Numbers of workers are taken modulo how many there are.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Deed {
    Ask {
        worker: usize,
        ask: Ask,
        times: u64,
    },
    /// A request that stays under way.
    Open {
        worker: usize,
        ask: Ask,
    },
    /// All requests under way end.
    End,
    /// Milliseconds.
    Advance(u64),
    /// Of the wall clock, nanoseconds.
    Step(i64),
    /// The other configuration.
    Configure,
    Lose(usize),
    /// Other workers are faster, so many times.
    Busy(u64),
    /// A host function fails, of a hundred calls so many.
    Fail {
        function: usize,
        chance: u8,
    },
    Recover,
}

/// A request.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Ask {
    pub(crate) user: Option<Text>,
    pub(crate) tenant: Option<u8>,
    pub(crate) method: String,
    pub(crate) plan: bool,
    pub(crate) grpc: bool,
}

impl Ask {
    pub(crate) fn to_request(&self) -> Request {
        let mut request = Request::new(&self.method, "/orders");
        if let Some(user) = &self.user {
            request = request.header("x-user", user.bytes());
        }
        if let Some(tenant) = self.tenant {
            request = request.header("x-tenant", tenant.to_string());
        }
        if self.plan {
            request = request.header("x-plan", "gold");
        }
        if self.grpc {
            request = request.header("content-type", "application/grpc");
        }
        request
    }
}

pub(crate) fn function(number: usize) -> &'static str {
    FUNCTIONS[number % FUNCTIONS.len()]
}

fn user() -> impl Strategy<Value = Option<Text>> {
    let odd = prop::collection::vec(header_byte(), 0..12);
    prop_oneof![
        1 => Just(None),
        1 => Just(Some(Text::plain(Vec::new()))),
        6 => prop_oneof![Just(b"alice"), Just(b"bobby")].prop_map(|name| Some(Text::plain(name.to_vec()))),
        2 => odd.prop_map(|bytes| Some(Text::plain(bytes))),
        1 => Just(Some(Text::plain(vec![b'k'; 4_000]))),
    ]
}

fn ask() -> impl Strategy<Value = Ask> {
    let method = prop_oneof![Just("GET"), Just("POST")].prop_map(str::to_owned);
    let tenant = prop::option::weighted(0.8, 0..2_u8);
    (
        user(),
        tenant,
        method,
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.2),
    )
        .prop_map(|(user, tenant, method, plan, grpc)| Ask {
            user,
            tenant,
            method,
            plan,
            grpc,
        })
}

/// What changes nothing about what has to pass.
pub(super) fn calm() -> impl Strategy<Value = Deed> {
    prop_oneof![
        12 => (0..4_usize, ask(), 1..8_u64).prop_map(|(worker, ask, times)| Deed::Ask { worker, ask, times }),
        2 => (0..4_usize, ask()).prop_map(|(worker, ask)| Deed::Open { worker, ask }),
        1 => Just(Deed::End),
        4 => prop_oneof![0..20_u64, 0..3_000_u64].prop_map(Deed::Advance),
        1 => (0..10_000_000_000_i64).prop_map(Deed::Step),
        1 => Just(Deed::Configure),
        1 => (0..4_usize).prop_map(Deed::Lose),
        1 => (1..30_u64).prop_map(Deed::Busy),
    ]
}

/// What changes that.
pub(super) fn stormy() -> impl Strategy<Value = Deed> {
    prop_oneof![
        3 => (0..FUNCTIONS.len(), 1..=100_u8).prop_map(|(function, chance)| Deed::Fail { function, chance }),
        1 => Just(Deed::Recover),
        1 => any::<i64>().prop_map(Deed::Step),
        1 => (-10_000_000_000_i64..0).prop_map(Deed::Step),
    ]
}
