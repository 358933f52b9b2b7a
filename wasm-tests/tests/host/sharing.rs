//! What the VMs of one process share: data, metrics, the clock; and what they don't.

use std::time::Duration;

use weir_wasm_tests::{PluginOptions, Process, Request, Status};

use crate::probe::{callback, event, on_request, probe, said, serving};

const READ: &str =
    "(call $ok (call $proxy_get_shared_data 'k' (i32.const 16) (i32.const 20) (i32.const 24)))";

#[test]
fn shared_data_is_one_for_all_workers_and_guarded_by_its_number() {
    let mismatch = Status::CasMismatch as u32;
    // The first request of a VM reads value and number; the second writes by that number.
    let module = probe(&on_request(&format!(
        "(if (i32.eqz (i32.load (i32.const 24)))
           (then {READ} (call $say_value))
           (else (call $number 'status' (call $proxy_set_shared_data 'k' 'new' (i32.load (i32.const 24))))))",
    )));
    let process = Process::new(2);
    let plugin = process.load(&module);
    plugin.configure("{}").unwrap();
    process.set_shared_data("weir.probe", "k", "old");
    for worker in [0, 1, 0, 1] {
        plugin.worker(worker).request(Request::get("/")).unwrap();
    }
    assert_eq!(
        said(&process),
        ["old", "old", "status 0", &format!("status {mismatch}")]
    );
    assert_eq!(
        process.shared_data("weir.probe", "k").as_deref(),
        Some(&b"new"[..])
    );
    assert_eq!(process.shared_keys("weir.probe"), ["k"]);
}

#[test]
fn shared_data_is_told_apart_by_vm_id() {
    let not_found = Status::NotFound as u32;
    let set = "(call $ok (call $proxy_set_shared_data 'k' 'mine' (i32.const 7)))";
    let get = "(call $proxy_get_shared_data 'k' (i32.const 16) (i32.const 20) (i32.const 24))";
    let process = Process::new(1);
    let load = |body: &str, vm_id: &str| {
        let module = probe(&on_request(body));
        let options = PluginOptions {
            vm_id: vm_id.to_owned(),
            ..PluginOptions::of(&module)
        };
        let plugin = process.load_with(&module, options);
        plugin.configure("{}").unwrap();
        plugin.worker(0).request(Request::get("/")).unwrap();
    };
    load(set, "one");
    load(&format!("(call $expect {get} (i32.const {not_found}))"), "two");
    load(&format!("(call $ok {get}) (call $say_value)"), "one");
    assert_eq!(said(&process), ["mine"]);
}

#[test]
fn a_metric_is_one_for_all_workers() {
    let (bad_argument, not_found) = (Status::BadArgument as u32, Status::NotFound as u32);
    let module = probe(&on_request(&format!(
        "(call $ok (call $proxy_define_metric (i32.const 1) 'other' (i32.const 24)))
         (call $ok (call $proxy_define_metric (i32.const 0) 'requests' (i32.const 24)))
         (call $ok (call $proxy_increment_metric (i32.load (i32.const 24)) (i64.const 2)))
         (call $ok (call $proxy_record_metric (i32.load (i32.const 24)) (i64.const 3)))
         (call $expect (call $proxy_increment_metric (i32.load (i32.const 24)) (i64.const -1)) (i32.const {bad_argument}))
         (call $ok (call $proxy_define_metric (i32.const 1) 'level' (i32.const 24)))
         (call $ok (call $proxy_record_metric (i32.load (i32.const 24)) (i64.const 9)))
         (call $ok (call $proxy_increment_metric (i32.load (i32.const 24)) (i64.const -4)))
         (call $ok (call $proxy_get_metric (i32.load (i32.const 24)) (i32.const 32)))
         (call $number 'level' (i32.load (i32.const 32)))
         (call $expect (call $proxy_record_metric (i32.const 4001) (i64.const 1)) (i32.const {not_found}))
         (call $ok (call $proxy_define_metric (i32.const 2) 'sizes' (i32.const 24)))
         (call $ok (call $proxy_record_metric (i32.load (i32.const 24)) (i64.const 300)))"
    )));
    let process = Process::new(2);
    let plugin = process.load(&module);
    plugin.configure("{}").unwrap();
    for worker in plugin.workers() {
        worker.request(Request::get("/")).unwrap();
    }
    assert_eq!(process.counter("requests"), Some(10));
    assert_eq!(process.gauge("level"), Some(5));
    assert_eq!(process.gauge("other"), Some(0));
    assert_eq!(process.gauge("requests"), None);
    assert_eq!(process.histogram("sizes"), [300, 300]);
    assert_eq!(said(&process), ["level 5", "level 5"]);
}

#[test]
fn time_passes_only_when_it_is_moved() {
    let (process, plugin) = serving(&on_request(
        "(call $ok (call $proxy_get_current_time_nanoseconds (i32.const 24)))
         (call $number 'second' (i32.wrap_i64 (i64.rem_u (i64.div_u (i64.load (i32.const 24)) (i64.const 1000000000)) (i64.const 10))))",
    ));
    plugin.worker(0).request(Request::get("/")).unwrap();
    plugin.worker(0).request(Request::get("/")).unwrap();
    process.advance(Duration::from_millis(3_999)).unwrap();
    plugin.worker(0).request(Request::get("/")).unwrap();
    assert_eq!(said(&process), ["second 0", "second 0", "second 3"]);
    assert_eq!(process.now(), Duration::from_millis(1_767_225_600_000 + 3_999));
}

#[test]
fn ticks_fall_due_in_order_each_at_its_own_time() {
    let configure = "(if (i32.eq (local.get $size) (i32.const 2))
         (then (call $ok (call $proxy_set_tick_period_milliseconds (i32.const 300)))))
       (call $ok (call $proxy_set_tick_period_milliseconds (i32.const 400)))";
    let tick = "(call $ok (call $proxy_get_current_time_nanoseconds (i32.const 24)))
       (call $number 'at' (i32.wrap_i64 (i64.rem_u (i64.div_u (i64.load (i32.const 24)) (i64.const 100000000)) (i64.const 10))))";
    let callbacks = format!(
        "(func (export \"proxy_on_configure\") (param $id i32) (param $size i32) (result i32) {configure} (i32.const 1))"
    ) + &event("proxy_on_tick", tick);
    let (process, _plugin) = serving(&callbacks);
    process.advance(Duration::from_millis(399)).unwrap();
    assert_eq!(said(&process), [""; 0]);
    process.advance(Duration::from_millis(401)).unwrap();
    assert_eq!(said(&process), ["at 4", "at 8"]);
}

#[test]
fn a_period_of_zero_stops_the_ticks() {
    let start = callback(
        "proxy_on_vm_start",
        "i32",
        "(call $ok (call $proxy_set_tick_period_milliseconds (i32.const 10)))",
    )
    .replace("(i32.const 0))\n", "(i32.const 1))\n");
    let tick = event(
        "proxy_on_tick",
        "(call $say 'tick') (call $ok (call $proxy_set_tick_period_milliseconds (i32.const 0)))",
    );
    let (process, _plugin) = serving(&(start + &tick));
    process.advance(Duration::from_secs(1)).unwrap();
    assert_eq!(said(&process), ["tick"]);
}
