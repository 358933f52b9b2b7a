//! Shared data, queues, metrics.

use crate::probes::{Probe, number_of, status_of};
use crate::scenario::Scenario;

fn in_request(body: &str) -> Scenario {
    Scenario::new(Probe::quiet().on("request_headers", body)).get()
}

/// The numbers of values are the process's: what matters is whether they are new. The first is kept in `$first`.
const NUMBERS: &str = "(global $first (mut i32) #0) (global $last (mut i32) #0)";

fn data(body: &[String]) -> Scenario {
    Scenario::new(Probe::quiet().with(NUMBERS).on("request_headers", &body.concat())).get()
}

fn get(key: &str) -> String {
    format!(
        "(i32.store #24 #0) (!value '{key}' (!proxy_get_shared_data '{key}' #16 #20 #24))
         (!number 'new' (i32.gt_u (i32.load #24) (global.get $last))) (global.set $last (i32.load #24))
         (if (i32.eqz (global.get $first)) (then (global.set $first (global.get $last)))) (i32.store #24 #0)"
    )
}

fn set(value: &str, number: &str) -> String {
    status_of("set_shared_data", &format!("'k' '{value}' {number}"))
}

const FIRST: &str = "(global.get $first)";
const LAST: &str = "(global.get $last)";

/// Registers `q` and notes its id in the global `$q`.
const REGISTER: &str = "(!status 'register' (!proxy_register_shared_queue 'q' #24)) (!number 'the same' (i32.eq (global.get $q) (i32.load #24))) (global.set $q (i32.load #24)) (i64.store #24 (i64.const 0))";
const QUEUE: &str = "(global $q (mut i32) #0)";

fn enqueue(text: &str) -> String {
    status_of("enqueue_shared_queue", &format!("(global.get $q) '{text}'"))
}

const DEQUEUE: &str = "(!value 'dequeue' (!proxy_dequeue_shared_queue (global.get $q) #16 #20))";

fn define(kind: u32, name: &str) -> String {
    number_of("define_metric", &format!("#{kind} '{name}'"))
}

fn metric(kind: u32, name: &str, body: &str) -> Scenario {
    let define = format!(
        "(!status 'define' (!proxy_define_metric #{kind} '{name}' #24)) (global.set $m (i32.load #24)) (i64.store #24 (i64.const 0))"
    );
    let probe = Probe::quiet().with("(global $m (mut i32) #0)");
    Scenario::new(probe.on("request_headers", &format!("{define} {body}"))).get()
}

fn on_metric(name: &str, amount: i64) -> String {
    status_of(name, &format!("(global.get $m) (i64.const {amount})")) + GET
}

const GET: &str = "(!number_at 'get' (!proxy_get_metric (global.get $m) #24))";

scenarios! {
    shared_data: data(&[get("k"), set("first", "#0"), get("k"), set("second", LAST), get("k"), set("third", FIRST), get("k"), set("fourth", "#0"), get("k"), set("", "#0"), get("k"), set("after", LAST), get("k")]);
    shared_data_with_a_number_and_no_value: data(&[set("new", "#9"), get("k"), set("next", "#1000000"), get("k")]);
    shared_data_of_an_empty_key: data(&[status_of("set_shared_data", "'' 'v' #0"), get("")]);
    queue: Scenario::new(Probe::tracing().with(QUEUE).on("request_headers", &[REGISTER, REGISTER, DEQUEUE, &enqueue("one"), &enqueue("two"), DEQUEUE].concat()).on("queue_ready", &[DEQUEUE, DEQUEUE].concat()))
        .get().said("queue_ready").said_times("dequeue !7", 2);
    queue_unknown: in_request(&["(!number_at 'resolve' (!proxy_resolve_shared_queue 'no' 'q' #24))", "(!number_at 'resolve' (!proxy_resolve_shared_queue 'queue_unknown' 'none' #24))",
        &status_of("enqueue_shared_queue", "#99 'x'"), "(!value 'dequeue' (!proxy_dequeue_shared_queue #99 #16 #20))"].concat());
    queue_resolved: Scenario::new(Probe::quiet().with(QUEUE).on("configure", REGISTER).on("queue_ready", DEQUEUE))
        .then(Probe::quiet().on("request_headers", "(!status 'resolve' (!proxy_resolve_shared_queue '' 'q' #24))
            (!status 'resolve' (!proxy_resolve_shared_queue 'queue_resolved' 'q' #24)) (!status 'enqueue' (!proxy_enqueue_shared_queue (i32.load #24) 'hello'))")).get().said("dequeue=hello");
    queue_ids: Scenario::new(Probe::quiet().with(QUEUE).on("request_headers", &[REGISTER, "(!status 'other' (!proxy_register_shared_queue 'r' #24)) (!number 'another' (i32.ne (global.get $q) (i32.load #24)))"].concat())).get();
    queue_registered_by_both: Scenario::new(Probe::quiet().with(QUEUE).on("request_headers", REGISTER).on("queue_ready", DEQUEUE))
        .then(Probe::quiet().with(QUEUE).on("request_headers", &[REGISTER, &enqueue("x")].concat()).on("queue_ready", DEQUEUE).on("log", "(!say 'b')")).get().said("dequeue=x");
    counter: metric(0, "conformance.counter", &[on_metric("increment_metric", 2), on_metric("increment_metric", -1), on_metric("record_metric", 5), on_metric("record_metric", 3), on_metric("increment_metric", 0)].concat()).stat("conformance.counter");
    gauge: metric(1, "conformance.gauge", &[on_metric("increment_metric", 2), on_metric("increment_metric", -1), on_metric("record_metric", 5), on_metric("record_metric", -3), on_metric("increment_metric", 4)].concat());
    gauge_below_zero: metric(1, "conformance.gauge_below", &[on_metric("increment_metric", -3)].concat());
    histogram: metric(2, "conformance.histogram", &[on_metric("increment_metric", 2), on_metric("record_metric", 5)].concat());
    metric_ids: in_request(&[define(0, "ids.a"), define(1, "ids.b"), define(2, "ids.c"), define(0, "ids.d"), define(1, "ids.e"), define(2, "ids.f"), define(0, "ids.a"), define(1, "ids.a"), define(2, "ids.a"), define(3, "ids.g"), define(9, "ids.h"), define(0, "")].concat());
    metric_unknown: in_request(&[0, 1, 2, 3, 400, 401, 402].map(|id| status_of("increment_metric", &format!("#{id} (i64.const 1)")) + &status_of("record_metric", &format!("#{id} (i64.const 1)")) + &number_of("get_metric", &format!("#{id}"))).concat());
}
