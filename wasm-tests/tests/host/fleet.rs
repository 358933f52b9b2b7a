//! Several workers and several processes on one clock.

use std::time::Duration;

use weir_wasm_tests::{Fleet, Process, Request};

use crate::probe::{callback, event, on_request, probe, said, texts};

#[test]
fn a_queue_is_told_to_the_vm_that_registered_it_last() {
    let configure = "(func (export \"proxy_on_configure\") (param i32 i32) (result i32)
        (!ok (!proxy_register_shared_queue 'q' #24)) #1)";
    let module = probe(
        &(configure.to_owned()
            + &on_request(
                "(!ok (!proxy_resolve_shared_queue '' 'q' #24)) (!ok (!proxy_enqueue_shared_queue (i32.load #24) 'item'))",
            )
            + "(func (export \"proxy_on_queue_ready\") (param i32 i32)
                 (!ok (!proxy_dequeue_shared_queue (local.get 1) #16 #20)) (!say_value)
                 (!expect (!proxy_dequeue_shared_queue (local.get 1) #16 #20) #7))"),
    );
    let process = Process::new(3);
    let plugin = process.load(&module);
    plugin.configure("{}").unwrap();
    plugin.worker(0).request(Request::get("/")).unwrap();
    let told: Vec<_> = process
        .logs()
        .into_iter()
        .map(|line| (line.worker, line.text))
        .collect();
    assert_eq!(told, [(Some(2), "item".to_owned())]);
}

fn counting() -> String {
    "(global $requests (mut i32) (i32.const 0))".to_owned()
        + &on_request(
            "(global.set $requests (i32.add (global.get $requests) #1)) (!number 'request' (global.get $requests))",
        )
}

#[test]
fn a_lost_worker_comes_back_with_new_vms_and_the_others_stay() {
    let process = Process::new(2);
    let plugin = process.load(&probe(&counting()));
    plugin.configure("{}").unwrap();
    process.set_shared_data("weir.probe", "k", "kept");
    let serve = || {
        plugin
            .workers()
            .for_each(|worker| drop(worker.request(Request::get("/")).unwrap()))
    };
    serve();
    let before = plugin.worker(1).vm();
    plugin.worker(0).lose().unwrap();
    serve();
    assert_eq!(
        said(&process),
        ["request 1", "request 1", "request 1", "request 2"]
    );
    assert_eq!(plugin.worker(1).vm(), before);
    assert_eq!(
        process.shared_data("weir.probe", "k").as_deref(),
        Some(&b"kept"[..])
    );
}

#[test]
fn processes_share_the_clock_and_nothing_else() {
    let module = probe(
        &("(func (export \"proxy_on_configure\") (param i32 i32) (result i32)
             (!ok (!proxy_set_tick_period_milliseconds #10)) #1)"
            .to_owned()
            + &event(
                "proxy_on_tick",
                "(!ok (!proxy_set_shared_data 'k' 'v' #0)) (!say 'tick')",
            )),
    );
    let fleet = Fleet::new();
    let (one, other) = (fleet.process(1), fleet.process(1));
    one.load(&module).configure("{}").unwrap();
    other.load(&module);
    fleet.advance(Duration::from_millis(25)).unwrap();
    assert_eq!((said(&one).len(), said(&other).len()), (2, 0));
    assert_eq!(one.now(), other.now());
    assert_eq!(
        (
            one.shared_keys("weir.probe").len(),
            other.shared_keys("weir.probe").len()
        ),
        (1, 0)
    );
}

#[test]
fn a_step_of_the_wall_clock_moves_what_filters_read_and_no_timer() {
    let module = probe(
        &("(func (export \"proxy_on_configure\") (param i32 i32) (result i32)
             (!ok (!proxy_set_tick_period_milliseconds #1000)) #1)"
            .to_owned()
            + &event(
                "proxy_on_tick",
                "(!ok (!proxy_get_current_time_nanoseconds #24)) (!number64 'at' (i64.load #24))",
            )),
    );
    let fleet = Fleet::new();
    let process = fleet.process(1);
    process.load(&module).configure("{}").unwrap();
    let start = fleet.now();
    for step in [0, -3_600_000_000_000, 7_200_000_000_000] {
        fleet.step_clock(step);
        fleet.advance(Duration::from_secs(1)).unwrap();
    }
    let seconds: Vec<i128> = texts(&process, |_| true)
        .iter()
        .map(|line| {
            line.trim_start_matches("at ").parse::<i128>().unwrap()
                - i128::try_from(start.as_nanos()).unwrap()
        })
        .map(|nanoseconds| nanoseconds / 1_000_000_000)
        .collect();
    assert_eq!(seconds, [1, 2 - 3600, 3 + 3600]);
}

#[test]
fn a_seed_gives_the_same_run_again() {
    let run = |seed| {
        let process = Fleet::seeded(seed).process(1);
        process.fault(
            weir_wasm_tests::Fault::of("proxy_set_shared_data", weir_wasm_tests::Status::CasMismatch)
                .chance(0.5),
        );
        let plugin = process.load(&probe(&callback(
            "proxy_on_request_headers",
            "i32 i32",
            "(!number 'set' (!proxy_set_shared_data 'k' 'v' #0))",
        )));
        plugin.configure("{}").unwrap();
        (0..64).for_each(|_| drop(plugin.worker(0).request(Request::get("/")).unwrap()));
        said(&process)
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}
