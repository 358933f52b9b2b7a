//! Updates of the configuration: the canary, root contexts, draining.

use std::time::Duration;

use weir_wasm_tests::{HostError, Process, Request};

use crate::probe::{callback, event, probe, said, texts};

/// Every callback says its name and its context; a new context, its parent as well.
fn talkative() -> String {
    let say = |name: &str| format!("(call $number '{name}' (local.get $id))");
    let answering = |name: &str, params: &str, answer: u32| {
        let say = say(name);
        format!(
            "(func (export \"proxy_on_{name}\") (param $id i32) (param {params}) (result i32) {say} (i32.const {answer}))"
        )
    };
    [
        "(func (export \"_initialize\") (call $say 'initialize'))".to_owned(),
        format!(
            "(func (export \"proxy_on_context_create\") (param $id i32) (param $parent i32)
               {} (call $number 'of' (local.get $parent)))",
            say("create")
        ),
        answering("vm_start", "i32", 1),
        answering("configure", "i32", 1),
        answering("request_headers", "i32 i32", 0),
        answering("done", "", 1),
        event("proxy_on_log", &say("log")),
        event("proxy_on_delete", &say("delete")),
    ]
    .concat()
}

/// Takes any configuration but `refuse` and `trap`, by their length; a tick every 10 ms says its context; every
/// request counts in a static and says how many there were.
fn configurable() -> String {
    "(global $requests (mut i32) (i32.const 0))
     (func (export \"proxy_on_configure\") (param $id i32) (param $size i32) (result i32)
       (call $ok (call $proxy_get_buffer_bytes (i32.const 7) (i32.const 0) (local.get $size) (i32.const 16) (i32.const 20)))
       (call $say_value)
       (if (i32.eq (local.get $size) (i32.const 4)) (then unreachable))
       (call $ok (call $proxy_set_tick_period_milliseconds (i32.const 10)))
       (i32.ne (local.get $size) (i32.const 6)))"
        .to_owned()
        + &callback(
            "proxy_on_request_headers",
            "i32 i32",
            "(global.set $requests (i32.add (global.get $requests) (i32.const 1)))
             (call $number 'requests' (global.get $requests))",
        )
        + &event("proxy_on_tick", "(call $number 'tick' (local.get $id))")
}

#[test]
fn callbacks_come_in_envoys_order() {
    let process = Process::new(1);
    let plugin = process.load(&probe(&talkative()));
    plugin.configure("a").unwrap();
    plugin.worker(0).request(Request::get("/")).unwrap();
    plugin.configure("b").unwrap();
    let root = ["initialize", "create 1", "of 0", "vm_start 1", "configure 1"];
    let stream = [
        "create 2",
        "of 1",
        "request_headers 2",
        "log 2",
        "done 2",
        "delete 2",
    ];
    let next_root = [
        "create 3",
        "of 0",
        "vm_start 3",
        "configure 3",
        "done 1",
        "delete 1",
    ];
    assert_eq!(said(&process), [&root[..], &stream, &next_root].concat());
    assert_eq!(
        texts(&process, |line| line.worker.is_none()),
        [root, root].concat()
    );
}

#[test]
fn a_refused_update_leaves_the_old_configuration_and_the_vm() {
    let process = Process::new(2);
    let plugin = process.load(&probe(&configurable()));
    plugin.configure("a").unwrap();
    let vms: Vec<_> = plugin.workers().map(|worker| worker.vm().unwrap()).collect();
    let refused = plugin.configure("refuse").unwrap_err();
    assert_eq!(refused.to_string(), "probe: configuration refused: refuse");
    let trapped = plugin.configure("trap").unwrap_err();
    assert!(matches!(&trapped, HostError::Trap { callback, .. } if callback == "proxy_on_configure"));
    for worker in plugin.workers() {
        worker.request(Request::get("/")).unwrap();
    }
    process.advance(Duration::from_millis(10)).unwrap();
    assert_eq!(
        said(&process),
        ["a", "a", "requests 1", "requests 1", "tick 1", "tick 1"]
    );
    assert_eq!(
        plugin
            .workers()
            .map(|worker| worker.vm().unwrap())
            .collect::<Vec<_>>(),
        vms
    );
}

#[test]
fn an_update_keeps_the_vm_and_its_statics() {
    let process = Process::new(1);
    let plugin = process.load(&probe(&configurable()));
    let worker = plugin.worker(0);
    plugin.configure("a").unwrap();
    worker.request(Request::get("/")).unwrap();
    let vm = worker.vm();
    plugin.configure("b").unwrap();
    worker.request(Request::get("/")).unwrap();
    assert_eq!(worker.vm(), vm);
    assert_eq!(said(&process), ["a", "requests 1", "b", "requests 2"]);
}

#[test]
fn the_configuration_in_force_changes_nothing_when_it_comes_again() {
    let process = Process::new(1);
    let plugin = process.load(&probe(&configurable()));
    plugin.configure("a").unwrap();
    plugin.configure("a").unwrap();
    assert_eq!(process.logs().len(), 2, "one in the canary, one in the worker");
}

#[test]
fn an_older_root_context_ticks_until_its_last_stream_has_ended() {
    let process = Process::new(1);
    let plugin = process.load(&probe(&configurable()));
    plugin.configure("a").unwrap();
    let stream = plugin.worker(0).open(Request::get("/")).unwrap();
    plugin.configure("b").unwrap();
    process.advance(Duration::from_millis(10)).unwrap();
    stream.finish().unwrap();
    process.advance(Duration::from_millis(10)).unwrap();
    assert_eq!(
        said(&process),
        ["a", "requests 1", "b", "tick 1", "tick 3", "tick 3"]
    );
}

#[test]
fn a_configuration_that_still_has_streams_serves_again_in_its_own_root_context() {
    let process = Process::new(1);
    let plugin = process.load(&probe(&talkative()));
    plugin.configure("a").unwrap();
    let stream = plugin.worker(0).open(Request::get("/")).unwrap();
    plugin.configure("b").unwrap();
    let before = said(&process).len();
    plugin.configure("a").unwrap();
    stream.finish().unwrap();
    assert_eq!(
        said(&process)[before..],
        ["done 3", "delete 3", "log 2", "done 2", "delete 2"]
    );
}

#[test]
fn a_root_context_that_is_not_done_waits_for_proxy_done() {
    let callbacks = callback("proxy_on_done", "", "(call $say 'not yet')")
        + &event("proxy_on_delete", "(call $say 'deleted')")
        + "(func (export \"proxy_on_configure\") (param i32 i32) (result i32)
             (call $ok (call $proxy_set_tick_period_milliseconds (i32.const 10))) (i32.const 1))"
        + &event("proxy_on_tick", "(call $number 'status' (call $proxy_done))");
    let process = Process::new(1);
    let plugin = process.load(&probe(&callbacks));
    plugin.configure("a").unwrap();
    plugin.configure("b").unwrap();
    process.advance(Duration::from_millis(10)).unwrap();
    assert_eq!(said(&process), ["not yet", "status 0", "deleted", "status 1"]);
}

#[test]
fn a_stalled_worker_serves_on_and_takes_only_the_last_update_when_it_resumes() {
    let process = Process::new(2);
    let plugin = process.load(&probe(&configurable()));
    plugin.configure("a").unwrap();
    let (running, stalled) = (plugin.worker(0), plugin.worker(1));
    stalled.stall();
    plugin.configure("b").unwrap();
    plugin.configure("c").unwrap();
    process.advance(Duration::from_millis(10)).unwrap();
    stalled.request(Request::get("/")).unwrap();
    let of = |worker: usize| texts(&process, |line| line.worker == Some(worker));
    assert_eq!(of(running.index()), ["a", "b", "c", "tick 3"]);
    assert_eq!(of(stalled.index()), ["a", "requests 1"]);
    stalled.resume().unwrap();
    process.advance(Duration::from_millis(10)).unwrap();
    assert_eq!(of(stalled.index()), ["a", "requests 1", "c", "tick 3"]);
}
