//! Host functions that fail on demand, and limits.

use weir_wasm_tests::{Fault, HostError, PluginOptions, Process, Request, Status};

use crate::probe::{on_request, probe, said, serving};

const SET: &str = "(!number 'set' (!proxy_set_shared_data 'k' 'v' #0))";

fn statuses(fault: Fault, requests: usize) -> Vec<String> {
    let (process, plugin) = serving(&on_request(SET));
    process.fault(fault);
    for _ in 0..requests {
        plugin.worker(0).request(Request::get("/")).unwrap();
    }
    said(&process)
}

fn mismatch() -> Fault {
    Fault::of("proxy_set_shared_data", Status::CasMismatch)
}

#[test]
fn a_fault_strikes_once_so_many_times_or_always() {
    assert_eq!(statuses(mismatch().once(), 3), ["set 8", "set 0", "set 0"]);
    assert_eq!(statuses(mismatch().times(2), 3), ["set 8", "set 8", "set 0"]);
    assert_eq!(statuses(mismatch(), 3), ["set 8", "set 8", "set 8"]);
}

#[test]
fn a_fault_strikes_by_chance_and_only_whom_it_is_for() {
    let struck = statuses(mismatch().chance(0.25), 400);
    let count = struck.iter().filter(|line| *line == "set 8").count();
    assert!((60..140).contains(&count), "{count} of 400");
    assert_eq!(statuses(mismatch().filter("another"), 1), ["set 0"]);
    assert_eq!(statuses(mismatch().filter("probe"), 1), ["set 8"]);
}

#[test]
fn faults_end_when_they_are_cleared() {
    let (process, plugin) = serving(&on_request(SET));
    process.fault(mismatch());
    plugin.worker(0).request(Request::get("/")).unwrap();
    process.clear_faults();
    plugin.worker(0).request(Request::get("/")).unwrap();
    assert_eq!(said(&process), ["set 8", "set 0"]);
}

#[test]
#[should_panic(expected = "no host function \"proxy_nothing\"")]
fn a_fault_of_no_function_is_a_mistake_in_the_test() {
    drop(Fault::of("proxy_nothing", Status::NotFound));
}

#[test]
fn memory_is_limited() {
    let grow = on_request("(!number 'pages before' (memory.grow #1))");
    let module = probe(&grow);
    let process = Process::new(1);
    let options = PluginOptions {
        memory_limit: 65 << 16,
        ..PluginOptions::of(&module)
    };
    let plugin = process.load_with(&module, options);
    plugin.configure("{}").unwrap();
    for _ in 0..2 {
        plugin.worker(0).request(Request::get("/")).unwrap();
    }
    assert_eq!(said(&process), ["pages before 64", "pages before 4294967295"]);
}

#[test]
fn a_module_larger_than_the_limit_is_refused() {
    let module = probe("");
    let options = PluginOptions {
        memory_limit: 1 << 16,
        ..PluginOptions::of(&module)
    };
    let error = Process::new(1)
        .load_with(&module, options)
        .configure("{}")
        .unwrap_err();
    assert!(
        matches!(&error, HostError::InvalidModule { detail, .. } if detail.contains("memory")),
        "{error}"
    );
}

#[test]
fn costs_are_counted_by_callback() {
    let (process, plugin) = serving(&on_request(SET));
    let before = process.costs("probe");
    assert!(!before.contains_key("proxy_on_request_headers"));
    for _ in 0..3 {
        plugin.worker(0).request(Request::get("/")).unwrap();
    }
    let cost = &process.costs("probe")["proxy_on_request_headers"];
    assert_eq!(cost.calls, 3);
    assert_eq!(
        cost.host_calls,
        [("proxy_log", 3), ("proxy_set_shared_data", 3)].into()
    );
    assert!(cost.fuel > 0 && cost.fuel % 3 == 0, "{cost:?}");
}

#[test]
fn a_fault_spares_the_calls_before_it() {
    assert_eq!(
        statuses(mismatch().after(2).once(), 4),
        ["set 0", "set 0", "set 8", "set 0"]
    );
}
