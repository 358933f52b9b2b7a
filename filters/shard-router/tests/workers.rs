//! Several workers of one process: configurations, counters, and the generation in force.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::rc::Rc;

use serde_json::json;
use weir_host::fake::{Process, Stream, Worker};
use weir_host::port::Level;
use weir_host::{Action, Root, Vm};
use weir_shard_router::ShardRouterFilter;

type Router = Root<ShardRouterFilter>;

const REQUESTS: &str = "weir_requests_total.filter.shard-router.outcome";

fn config(generation: u64) -> Vec<u8> {
    let shards = json!([{"name": "a", "weight": 1, "readCluster": "a", "writeCluster": "a"}]);
    let config = json!({
        "format": 1,
        "slot": "weir/default/edge/shard-router",
        "generation": generation,
        "rules": [{"policy": "default/orders", "match": {"path": {"type": "Prefix", "value": "/orders"}}}],
        "policies": {"default/orders": {
            "keySources": [{"header": "x-user"}], "onMissingKey": "reject", "maxKeyBytes": 32,
            "strategy": {"hash": {"algorithm": "ring-v1"}}, "reads": "primary", "shards": shards,
        }},
    });
    config.to_string().into_bytes()
}

fn configured(worker: &Worker, vm: &Rc<Vm>, generation: u64) -> Router {
    worker.set_configuration(&config(generation));
    let mut root = Root::new(Rc::clone(vm));
    assert!(root.on_configure(worker), "{:?}", worker.log_lines());
    root
}

#[test]
fn a_bad_configuration_is_refused_with_its_reason() {
    let worker = Worker::new(&Process::new(0));
    for (json, reason) in [
        (&b"{"[..], "EOF"),
        (b"{\"format\": 2}", "unknown format 2"),
        (
            b"{\"format\":1,\"slot\":\"s\",\"generation\":1,\"rules\":[],\"policies\":{},\"x\":1}",
            "unknown field `x`",
        ),
        (
            b"{\"format\":1,\"slot\":\"s\",\"generation\":1,\"rules\":[{\"policy\":\"p\"}],\"policies\":{}}",
            "/rules/0/policy",
        ),
    ] {
        worker.set_configuration(json);
        let mut root = Router::new(Rc::default());
        assert!(!root.on_configure(&worker));
        let (level, line) = worker.log_lines().pop().unwrap();
        assert_eq!(level, Level::Error);
        assert!(line.contains(reason), "{line}");
        // Nothing passes a root without configuration.
        assert_eq!(
            root.open_stream().on_request_headers(&Stream::new(&[])),
            Action::Pause
        );
    }
}

#[test]
fn the_canary_touches_nothing_that_is_shared() {
    let process = Process::new(0);
    let (worker, vm) = (Worker::new(&process), Rc::default());
    let mut root = configured(&worker, &vm, 1);
    root.on_close(&worker);
    assert!(process.metrics().is_empty());
    assert_eq!(process.shared("weir/default/edge/shard-router/workers"), None);
}

#[test]
fn requests_are_counted_on_the_tick_and_over_configurations() {
    let process = Process::new(0);
    let (worker, vm) = (Worker::new(&process), Rc::default());
    let mut first = configured(&worker, &vm, 1);
    let send = |root: &Router, headers: &[(&str, &[u8])]| {
        root.open_stream().on_request_headers(&Stream::new(headers));
    };
    send(&first, &[(":path", b"/orders"), ("x-user", b"1")]);
    assert!(process.metrics().is_empty());
    first.on_tick(&worker);
    send(&first, &[(":path", b"/orders"), ("x-user", b"1")]);
    send(&first, &[(":path", b"/orders")]);
    let mut second = configured(&worker, &vm, 2);
    send(&second, &[(":path", b"/orders"), ("x-user", &[b'x'; 33])]);
    send(&second, &[(":path", b"/")]);
    second.on_tick(&worker);
    second.on_tick(&worker);
    let count = |outcome: &str| process.metric(&format!("{REQUESTS}.{outcome}"));
    assert_eq!(count("forward.map.default_orders.shard.a"), Some(2));
    assert_eq!(count("missing-key.map.default_orders"), Some(1));
    assert_eq!(count("key-too-long.map.default_orders"), Some(1));
    assert_eq!(count("no-rule"), Some(1));
    assert_eq!(count("host-error"), None);
}

#[test]
fn a_request_keeps_the_generation_that_it_came_under() {
    let process = Process::new(0);
    let gauge = |name: &str| process.metric(&format!("weir_generation_{name}.filter.shard-router"));
    let (worker, vm) = (Worker::new(&process), Rc::default());
    let mut first = configured(&worker, &vm, 1);
    first.on_tick(&worker);
    let running = first.open_stream();
    let mut second = configured(&worker, &vm, 2);
    second.on_tick(&worker);
    assert_eq!((gauge("in_force"), gauge("draining")), (Some(2), Some(1)));
    let newer = second.open_stream();
    drop(running);
    second.on_tick(&worker);
    assert_eq!((gauge("in_force"), gauge("draining")), (Some(2), Some(0)));
    drop(newer);
}
