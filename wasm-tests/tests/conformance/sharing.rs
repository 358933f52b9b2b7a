//! Shared data, queues, metrics.

use crate::probes::{Probe, number_of, status_of};
use crate::scenario::Scenario;

fn in_request(body: &str) -> Scenario {
    Scenario::new(Probe::quiet().on("request_headers", body)).get()
}

fn get(key: &str) -> String {
    format!("(i64.store #24 (i64.const 0)) (!value '{key}' (!proxy_get_shared_data '{key}' #16 #20 #24)) (!number 'cas' (i32.load #24)) (i64.store #24 (i64.const 0))")
}

fn set(value: &str, cas: u32) -> String {
    status_of("set_shared_data", &format!("'k' '{value}' #{cas}"))
}

/// Registers `q` and notes its id in the global `$q`.
const REGISTER: &str = "(!status 'register' (!proxy_register_shared_queue 'q' #24)) (global.set $q (i32.load #24)) (!number 'id' (global.get $q)) (i64.store #24 (i64.const 0))";
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
    shared_data: in_request(&[get("k"), set("first", 0), get("k"), set("second", 1), get("k"), set("third", 1), get("k"), set("fourth", 0), get("k"), set("", 0), get("k"), set("after", 3), get("k")].concat());
    shared_data_with_a_number_and_no_value: in_request(&[set("new", 9), get("k"), set("next", 1), get("k")].concat());
    shared_data_of_an_empty_key: in_request(&[status_of("set_shared_data", "'' 'v' #0"), get("")].concat());
    queue: Scenario::new(Probe::tracing().with(QUEUE).on("request_headers", &[REGISTER, REGISTER, DEQUEUE, &enqueue("one"), &enqueue("two"), DEQUEUE].concat()).on("queue_ready", &[DEQUEUE, DEQUEUE].concat()))
        .get().said("queue_ready").said_times("dequeue !7", 2);
    queue_unknown: in_request(&["(!number_at 'resolve' (!proxy_resolve_shared_queue 'no' 'q' #24))", "(!number_at 'resolve' (!proxy_resolve_shared_queue 'queue_unknown' 'none' #24))",
        &status_of("enqueue_shared_queue", "#99 'x'"), "(!value 'dequeue' (!proxy_dequeue_shared_queue #99 #16 #20))"].concat());
    queue_resolved: Scenario::new(Probe::quiet().with(QUEUE).on("configure", REGISTER).on("queue_ready", DEQUEUE))
        .then(Probe::quiet().on("request_headers", "(!number_at 'resolve' (!proxy_resolve_shared_queue 'queue_resolved' 'q' #24)) (!number_at 'resolve' (!proxy_resolve_shared_queue '' 'q' #24))
            (!status 'again' (!proxy_resolve_shared_queue 'queue_resolved' 'q' #24)) (!status 'enqueue' (!proxy_enqueue_shared_queue (i32.load #24) 'hello'))")).get().said("dequeue=hello");
    queue_registered_by_both: Scenario::new(Probe::quiet().with(QUEUE).on("request_headers", REGISTER).on("queue_ready", DEQUEUE))
        .then(Probe::quiet().with(QUEUE).on("request_headers", &[REGISTER, &enqueue("x")].concat()).on("queue_ready", DEQUEUE).on("log", "(!say 'b')")).get().said("dequeue=x");
    counter: metric(0, "conformance.counter", &[on_metric("increment_metric", 2), on_metric("increment_metric", -1), on_metric("record_metric", 5), on_metric("record_metric", 3), on_metric("increment_metric", 0)].concat()).stat("conformance.counter");
    gauge: metric(1, "conformance.gauge", &[on_metric("increment_metric", 2), on_metric("increment_metric", -1), on_metric("record_metric", 5), on_metric("record_metric", -3), on_metric("increment_metric", 4)].concat());
    gauge_below_zero: metric(1, "conformance.gauge_below", &[on_metric("increment_metric", -3)].concat());
    histogram: metric(2, "conformance.histogram", &[on_metric("increment_metric", 2), on_metric("record_metric", 5)].concat());
    metric_ids: in_request(&[define(0, "ids.a"), define(1, "ids.b"), define(2, "ids.c"), define(0, "ids.d"), define(1, "ids.e"), define(2, "ids.f"), define(0, "ids.a"), define(1, "ids.a"), define(2, "ids.a"), define(3, "ids.g"), define(9, "ids.h"), define(0, "")].concat());
    metric_unknown: in_request(&[0, 1, 2, 3, 400, 401, 402].map(|id| status_of("increment_metric", &format!("#{id} (i64.const 1)")) + &status_of("record_metric", &format!("#{id} (i64.const 1)")) + &number_of("get_metric", &format!("#{id}"))).concat());
}
