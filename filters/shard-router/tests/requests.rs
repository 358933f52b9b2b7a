//! Requests at the filter, over the host in memory.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use proptest::prelude::*;
use serde_json::{Value, json};
use weir_host::fake::{Call, Reply, Stream};
use weir_host::port::GrpcStatus;
use weir_host::{Action, Counters, Filter};
use weir_shard_map::ShardRouter;
use weir_shard_router::{CLUSTER_HEADER, SHARD_HEADER, ShardRouterFilter};

fn config() -> Value {
    json!({
        "format": 1,
        "slot": "weir/default/edge/shard-router",
        "generation": 1,
        "rules": [{"policy": "default/orders", "match": {"path": {"type": "Prefix", "value": "/orders"}}}],
        "policies": {"default/orders": {
            "keySources": [{"header": "x-user"}],
            "onMissingKey": "reject",
            "maxKeyBytes": 32,
            "strategy": {"hash": {"algorithm": "ring-v1"}},
            "reads": "replicas",
            "shards": [
                {"name": "a", "weight": 1, "readCluster": "a-read", "writeCluster": "a-write"},
                {"name": "b", "weight": 1, "readCluster": "b-read", "writeCluster": "b-write"},
            ],
        }},
    })
}

fn filter() -> ShardRouterFilter {
    ShardRouterFilter::configure(config().to_string().as_bytes(), &Counters::default()).unwrap()
}

fn shard_of(key: &[u8]) -> String {
    let router = ShardRouter::from_json(config().to_string().as_bytes()).unwrap();
    let (_, map) = router.maps().next().unwrap();
    map.place(key).to_owned()
}

/// A request under `/orders`, in which a client names a cluster and a shard of its own, twice.
fn request(more: &[(&str, &[u8])]) -> Stream {
    let mut headers: Vec<(&str, &[u8])> = vec![(":method", b"GET"), (":path", b"/orders/1")];
    for name in [CLUSTER_HEADER, SHARD_HEADER] {
        headers.extend([(name, b"evil-1".as_slice()), (name, b"evil-2")]);
    }
    headers.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
    headers.extend_from_slice(more);
    Stream::new(&headers)
}

fn problem(stream: &Stream) -> Value {
    let Some(Reply::Http {
        status,
        headers,
        body,
    }) = stream.answer()
    else {
        panic!("{:?}", stream.answer());
    };
    assert_eq!(
        headers,
        [("content-type".to_owned(), b"application/problem+json".to_vec())]
    );
    let problem: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(problem["status"], status);
    problem
}

#[test]
fn a_request_without_rule_loses_the_headers_that_the_client_sent() {
    let stream = request(&[(":path", b"/other")]);
    assert_eq!(filter().on_request_headers(&mut (), &stream), Action::Continue);
    assert!(stream.values(CLUSTER_HEADER).is_empty());
    assert!(stream.values(SHARD_HEADER).is_empty());
    assert_eq!(stream.answer(), None);
}

#[test]
fn a_missing_key_is_a_problem() {
    let stream = request(&[]);
    assert_eq!(filter().on_request_headers(&mut (), &stream), Action::Pause);
    let problem = problem(&stream);
    assert_eq!(problem["type"], "https://weir.dev/problems/shard-key-missing");
    assert_eq!(problem["status"], 400);
    assert_eq!(problem.as_object().unwrap().len(), 4);
}

#[test]
fn a_key_that_is_too_long_is_a_problem_that_does_not_repeat_it() {
    let stream = request(&[("x-user", b"<secret>-<secret>-<secret>-<secret>")]);
    assert_eq!(filter().on_request_headers(&mut (), &stream), Action::Pause);
    let problem = problem(&stream);
    assert_eq!(problem["type"], "https://weir.dev/problems/shard-key-too-long");
    assert!(problem["detail"].as_str().unwrap().contains("32 bytes"));
    assert!(!problem.to_string().contains("secret"));
}

#[test]
fn grpc_is_refused_in_its_own_words() {
    for content_type in ["application/grpc", "application/grpc+proto", "application/grpc+"] {
        let stream = request(&[("content-type", content_type.as_bytes())]);
        assert_eq!(filter().on_request_headers(&mut (), &stream), Action::Pause);
        let Some(Reply::Grpc {
            http,
            status,
            message,
            headers,
        }) = stream.answer()
        else {
            panic!("{content_type}: {:?}", stream.answer());
        };
        assert_eq!((http, status), (400, GrpcStatus::InvalidArgument));
        assert!(!message.is_empty() && headers.is_empty());
    }
}

/// Envoy makes a gRPC answer for a gRPC content-type in its own sense only; the others get what they can read.
#[test]
fn what_envoy_does_not_take_for_grpc_is_refused_with_a_problem() {
    for content_type in [
        "Application/GRPC",
        "application/grpc-web+proto",
        "application/grpc;x=y",
        "application/grp",
        "",
    ] {
        let stream = request(&[("content-type", content_type.as_bytes())]);
        assert_eq!(filter().on_request_headers(&mut (), &stream), Action::Pause);
        assert_eq!(problem(&stream)["status"], 400, "{content_type}");
    }
}

#[test]
fn a_host_that_fails_sends_no_request_on() {
    let failures = [
        (Call::Read, "", "/orders"),
        (Call::Read, "", "/other"),
        (Call::Set, CLUSTER_HEADER, "/orders"),
        (Call::Set, SHARD_HEADER, "/orders"),
        (Call::Remove, CLUSTER_HEADER, "/other"),
        (Call::Remove, SHARD_HEADER, "/other"),
    ];
    for (call, name, path) in failures {
        let stream = request(&[("x-user", b"7"), (":path", path.as_bytes())]);
        stream.fail(call, name);
        assert_eq!(
            filter().on_request_headers(&mut (), &stream),
            Action::Pause,
            "{call:?} {name}"
        );
        assert_eq!(problem(&stream)["status"], 503, "{call:?} {name}");
        stream.fail(Call::Reply, "");
        assert_eq!(
            filter().on_request_headers(&mut (), &stream),
            Action::Pause,
            "{call:?} {name}"
        );
    }
}

#[test]
fn a_request_costs_one_read_and_two_writes() {
    let stream = request(&[("x-user", b"7")]);
    filter().on_request_headers(&mut (), &stream);
    let expected = [
        (Call::Read, ""),
        (Call::Set, CLUSTER_HEADER),
        (Call::Set, SHARD_HEADER),
    ];
    assert_eq!(
        stream.calls(),
        expected.map(|(call, name)| (call, name.to_owned()))
    );
}

/// A refusal reads the request that the decision was taken on.
#[test]
fn a_refusal_costs_one_read_and_the_answer() {
    let stream = request(&[("content-type", b"application/grpc")]);
    filter().on_request_headers(&mut (), &stream);
    let expected = [Call::Read, Call::Reply];
    assert_eq!(stream.calls(), expected.map(|call| (call, String::new())));
}

proptest! {
    #[test]
    fn a_key_of_any_bytes_finds_its_shard(key in prop::collection::vec(any::<u8>(), 1..33), write in any::<bool>()) {
        let method: &[u8] = if write { b"POST" } else { b"HEAD" };
        let stream = request(&[("x-user", &key), (":method", method)]);
        prop_assert_eq!(filter().on_request_headers(&mut (), &stream), Action::Continue);
        let shard = shard_of(&key);
        let cluster = format!("{shard}-{}", if write { "write" } else { "read" });
        prop_assert_eq!(stream.values(CLUSTER_HEADER), [cluster.into_bytes()]);
        prop_assert_eq!(stream.values(SHARD_HEADER), [shard.into_bytes()]);
    }
}
