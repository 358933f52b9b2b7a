//! Traps and loops are errors of one request, not of the test.

use std::time::Duration;

use weir_wasm_tests::{HostError, Process, Request};

use crate::probe::{callback, event, on_request, probe, said, serving};

/// Counts requests in a static, and traps when the request has a body, in `on_request_headers`.
fn fragile() -> String {
    "(global $requests (mut i32) (i32.const 0))".to_owned()
        + &callback(
            "proxy_on_request_headers",
            "i32",
            "(global.set $requests (i32.add (global.get $requests) (i32.const 1)))
             (call $number 'requests' (global.get $requests))
             (if (i32.eqz (local.get 2)) (then (call $say 'about to fall') unreachable))",
        )
        .replace("(param i32)", "(param i32 i32)")
        + &event("proxy_on_delete", "(call $say 'deleted')")
}

#[test]
fn a_trap_is_an_error_and_the_next_request_has_a_new_vm() {
    let process = Process::new(2);
    let plugin = process.load(&probe(&fragile()));
    plugin.configure("{}").unwrap();
    let worker = plugin.worker(0);
    worker.request(Request::get("/")).unwrap();
    let vm = worker.vm();
    let error = worker.request(Request::get("/").with_body()).unwrap_err();
    let HostError::Trap {
        filter,
        callback,
        detail,
    } = &error
    else {
        panic!("{error}")
    };
    assert_eq!(
        (filter.as_str(), callback.as_str()),
        ("probe", "proxy_on_request_headers")
    );
    assert!(
        detail.contains("unreachable") && detail.contains("about to fall"),
        "{detail}"
    );
    assert_eq!(worker.reloads(), 0);
    let held_off = worker.request(Request::get("/")).unwrap();
    assert_eq!(held_off.local_response.unwrap().details, "wasm_fail_stream");
    assert_eq!(worker.reloads(), 0);
    process.advance(Duration::from_secs(1)).unwrap();
    worker.request(Request::get("/")).unwrap();
    assert_eq!((worker.reloads(), plugin.worker(1).reloads()), (1, 0));
    assert_ne!(worker.vm(), vm);
    let expected = [
        "requests 1",
        "deleted",
        "requests 2",
        "about to fall",
        "requests 1",
        "deleted",
    ];
    assert_eq!(said(&process), expected);
}

#[test]
fn streams_of_a_vm_that_trapped_end_without_a_word() {
    let process = Process::new(1);
    let plugin = process.load(&probe(&fragile()));
    plugin.configure("{}").unwrap();
    let stream = plugin.worker(0).open(Request::get("/kept")).unwrap();
    plugin
        .worker(0)
        .open(Request::get("/").with_body())
        .err()
        .unwrap();
    assert!(matches!(
        stream.request_body(b"x", true),
        Err(HostError::VmGone { .. })
    ));
    assert_eq!(stream.outcome().headers.text(":path").as_deref(), Some("/kept"));
    stream.finish().unwrap();
    assert!(!said(&process).contains(&"deleted".to_owned()));
}

#[test]
fn a_loop_runs_out_of_fuel() {
    let (_process, plugin) = serving(&on_request("(loop $again (br $again))"));
    let error = plugin.worker(0).request(Request::get("/")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "probe: proxy_on_request_headers ran out of fuel"
    );
}

#[test]
fn a_tick_that_traps_is_reported_and_the_others_run() {
    let callbacks = "(func (export \"proxy_on_configure\") (param i32 i32) (result i32)
             (call $ok (call $proxy_set_tick_period_milliseconds (i32.const 10))) (i32.const 1))"
        .to_owned()
        + &event(
            "proxy_on_tick",
            "(call $proxy_get_shared_data 'fall' (i32.const 16) (i32.const 20) (i32.const 24))
             (if (i32.eqz) (then unreachable))
             (call $ok (call $proxy_set_shared_data 'fall' 'now' (i32.const 0)))
             (call $say 'tick')",
        );
    let process = Process::new(2);
    let plugin = process.load(&probe(&callbacks));
    plugin.configure("{}").unwrap();
    let error = process.advance(Duration::from_millis(20)).unwrap_err();
    assert!(matches!(error, HostError::Trap { callback, .. } if callback == "proxy_on_tick"));
    assert_eq!(said(&process), ["tick"]);
    assert!(plugin.worker(0).request(Request::get("/")).is_ok());
}

#[test]
fn a_worker_that_was_never_configured_says_so() {
    let process = Process::new(1);
    let plugin = process.load(&probe(""));
    let error = plugin.worker(0).request(Request::get("/")).unwrap_err();
    assert_eq!(error.to_string(), "probe: worker 0 has no configuration in force");
}
