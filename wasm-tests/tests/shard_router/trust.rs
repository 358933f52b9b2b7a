//! What clients send is never trusted, and never a trap.

use proptest::prelude::*;
use weir_wasm_tests::{Action, HeaderMap, Request};

use crate::fixture::{Router, keyed, slot};

fn forged(request: Request) -> Request {
    request
        .header("X-Weir-Cluster", "weir/default/secrets/a/write")
        .header("x-weir-cluster", "weir/default/secrets/b/write")
        .header("x-weir-shard", "z")
}

fn count(headers: &HeaderMap, name: &str) -> usize {
    headers.values(name).count()
}

#[test]
fn a_client_can_name_neither_cluster_nor_shard() {
    let router = Router::with(&slot(1, &["a"]));
    let headers = router.request(forged(keyed("1"))).headers;
    assert_eq!(
        headers.text("x-weir-cluster").as_deref(),
        Some("weir/default/orders/a/read")
    );
    assert_eq!(headers.text("x-weir-shard").as_deref(), Some("a"));
    assert_eq!(
        (count(&headers, "x-weir-cluster"), count(&headers, "x-weir-shard")),
        (1, 1)
    );
}

#[test]
fn a_client_can_name_no_cluster_where_no_rule_matches() {
    let router = Router::with(&slot(1, &["a"]));
    let headers = router.request(forged(Request::get("/elsewhere"))).headers;
    assert_eq!(
        (count(&headers, "x-weir-cluster"), count(&headers, "x-weir-shard")),
        (0, 0)
    );
}

/// Any bytes, those above 0x7f often.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop_oneof![any::<u8>(), 0x80..=0xff_u8], 0..40)
}

/// The headers that the filter reads, and some that it doesn't.
fn name() -> impl Strategy<Value = &'static str> {
    let names = [
        "x-user-id",
        "content-type",
        "x-weir-cluster",
        "x-weir-shard",
        "cookie",
        "x-other",
        "user-agent",
    ];
    prop::sample::select(names.to_vec())
}

/// Whatever bytes come: the request goes to a shard, or is refused with 400, or is none of the filter's.
#[test]
fn no_bytes_in_a_request_make_a_trap() {
    let router = Router::with(&slot(1, &["a", "b"]));
    let headers = || prop::collection::vec((name(), bytes()), 0..8);
    proptest!(ProptestConfig::with_cases(512), |(pseudo in (bytes(), bytes(), bytes()), headers in headers())| {
        for path in [&b"/orders"[..], b"/orders?user=", b"/"] {
            let path = [path, &pseudo.1].concat();
            let request = Request::with_pseudo_headers(&pseudo.0, &path, &pseudo.2);
            let request = headers.iter().fold(request, |request, (name, value)| request.header(name, value));
            let outcome = router.request(request);
            match outcome.local_response {
                Some(response) => prop_assert!(response.status == 400 || response.grpc_status == Some(3), "{response:?}"),
                None => prop_assert_eq!(outcome.action, Action::Continue),
            }
        }
    });
}

#[test]
fn a_key_of_high_bytes_is_a_key() {
    let router = Router::with(&slot(1, &["a", "b", "c", "d"]));
    let shards: Vec<String> = (0x80..=0xff_u8)
        .map(|byte| router.place(keyed([byte])).1)
        .collect();
    assert!(shards.iter().any(|shard| *shard != shards[0]), "all on one shard");
}
