//! A host that fails.

use serde_json::json;
use weir_host::Action;
use weir_host::fake::{Call, Stream};

use crate::fixture::{SLOT, Worker, config, limit, merged, problem};

fn worker(on_error: &str) -> Worker {
    Worker::new(&config(&[limit("client", 1)], &json!({"onError": on_error})))
}

/// The call that reads or writes the only bucket.
fn bucket_call(worker: &Worker, call: Call) -> (Call, String) {
    let stream = worker.stream(&[("x-user", b"probe")]);
    worker.serve(&stream);
    let board = format!("{SLOT}/board");
    let mut calls = stream.calls().into_iter();
    calls
        .find(|(made, name)| *made == call && *name != board)
        .unwrap()
}

fn unavailable(stream: &Stream) {
    let (status, _, body) = problem(stream);
    assert_eq!(
        (status, &body["type"]),
        (503, &json!("https://weir.dev/problems/proxy-failure"))
    );
}

#[test]
fn a_quota_that_cant_be_looked_up_or_written_is_as_the_policy_says() {
    for call in [Call::Load, Call::Store] {
        for (on_error, expected) in [("allow", Action::Continue), ("deny", Action::Pause)] {
            let worker = worker(on_error);
            let (call, name) = bucket_call(&worker, call);
            let stream = worker.stream(&[("x-user", b"a")]);
            stream.fail(call, &name);
            assert_eq!(worker.serve(&stream), expected, "{call:?} {on_error}");
            if expected == Action::Pause {
                unavailable(&stream);
            }
            // It was not counted.
            assert!(worker.passes("a"));
        }
    }
}

#[test]
fn a_host_without_shared_data_is_as_the_policy_says() {
    for (on_error, expected) in [("allow", Action::Continue), ("deny", Action::Pause)] {
        let (_, bucket) = bucket_call(&worker(on_error), Call::Load);
        let worker = worker(on_error);
        let stream = worker.stream(&[("x-user", b"a")]);
        stream.fail(Call::Load, &format!("{SLOT}/board"));
        stream.fail(Call::Load, &bucket);
        assert_eq!(worker.serve(&stream), expected, "{on_error}");
    }
}

#[test]
fn without_board_headers_or_time_a_request_is_as_the_policy_says() {
    let board = format!("{SLOT}/board");
    for (call, name) in [(Call::Load, board.as_str()), (Call::Read, ""), (Call::Clock, "")] {
        for (on_error, expected) in [("allow", Action::Continue), ("deny", Action::Pause)] {
            let worker = worker(on_error);
            let stream = worker.stream(&[("x-user", b"a")]);
            stream.fail(call, name);
            assert_eq!(worker.serve(&stream), expected, "{call:?} {on_error}");
            if expected == Action::Pause {
                unavailable(&stream);
            }
            assert!(!stream.log_lines().is_empty());
        }
    }
}

#[test]
fn a_request_that_cant_be_answered_goes_nowhere() {
    let worker = worker("allow");
    assert!(worker.passes("a"));
    let stream = worker.stream(&[("x-user", b"a")]);
    stream.fail(Call::Reply, "");
    assert_eq!(worker.serve(&stream), Action::Pause);
}

#[test]
fn a_peer_that_cant_be_read_is_a_missing_value() {
    let by_address = json!({"key": [{"clientAddress": {"trustedHops": 0}}], "onMissingKey": "reject"});
    let worker = Worker::new(&config(&[merged(limit("client", 1), &by_address)], &json!({})));
    let stream = worker.stream(&[]);
    stream.fail(Call::Property, "source.address");
    assert_eq!(worker.serve(&stream), Action::Pause);
    assert_eq!(problem(&stream).0, 400);
}

#[test]
fn garbage_in_shared_data_is_none() {
    let worker = worker("deny");
    worker.process.set_shared(format!("{SLOT}/board"), b"junk");
    worker.process.set_shared(format!("{SLOT}/demand"), b"junk");
    assert!(worker.passes("a"));
    let keys = worker.process.shared_keys();
    let bucket = keys.iter().find(|key| key.len() == 12).expect("a bucket");
    worker.process.set_shared(bucket, b"junk");
    assert!(worker.passes("a"), "forgotten");
    assert!(!worker.passes("a"));
}
