//! HTTP calls.

use std::time::Duration;

use crate::probes::{Probe, buffers, call, call_with, maps, only, pairs, release, reply, status_of};
use crate::scenario::{Answer, Client, Cluster, Scenario};

const STATUS: &str = "(!number_at 'code' (!proxy_get_status #24 #16 #20)) (!value 'message' #0)";

/// Makes calls in the request's headers; the first answer lets it go on.
fn calling(calls: &str, then: &str) -> Scenario {
    let probe = Probe::tracing()
        .on("request_headers", &format!("{calls} (return #1)"))
        .on("http_call_response", &format!("{then} {}", release(2, 0)));
    Scenario::new(probe)
        .cluster(Cluster::new("side").answers(answer()))
        .get()
}

fn answer() -> Answer {
    Answer::status(201)
        .header("x-side", "1")
        .chunk("side")
        .chunk("ways")
        .trailer("x-last", "1")
}

/// A call that is refused at once; the request goes on.
fn refused(calls: &str) -> Scenario {
    Scenario::new(Probe::tracing().on("request_headers", calls))
        .cluster(Cluster::new("side").answers(answer()))
        .get()
}

const READ: &str = "(!header #6 ':status') (!header #6 'x-side') (!header #7 'x-last') (!buffer #4 #0 #99) (!buffer #4 #2 #3)";

scenarios! {
    call_answered: calling(&call("~side", 1000), READ);
    call_maps: calling(&call("~side", 1000), &maps());
    call_buffers: calling(&call("~side", 1000), &buffers());
    call_with_effective_context: calling(&call("~side", 1000), "(!status 'effective' (!proxy_set_effective_context #2)) (!header #0 ':path') (!header #6 ':status') (!buffer #4 #0 #9)");
    call_writes: calling(&call("~side", 1000), &(status_of("add_header_map_value", "#6 'x-a' '1'") + &status_of("set_buffer_bytes", "#4 #0 #1 'z'")));
    call_with_trailers: calling(&call_with("~side", &[(":method", "POST"), (":path", "/t"), (":authority", "c.test")], "body", &[("x-end", "1")], 1000), READ);
    call_without_body: calling(&call_with("~side", &[(":method", "GET"), (":path", "/g"), (":authority", "c.test"), ("X-Upper", "1"), ("x-two", "1"), ("x-two", "2")], "", &[], 1000), READ);
    call_status: calling(&call("~side", 1000), STATUS);
    calls_in_parallel: Scenario::new(Probe::tracing().on("request_headers", &(call("~side", 1000) + &call("~late", 1000) + "(return #1)")).on("http_call_response", &format!("{READ} (if (i32.eq (local.get $x) #8) (then {}))", release(2, 0))))
        .cluster(Cluster::new("side").answers(answer().after(Duration::from_millis(30)))).cluster(Cluster::new("late").answers(Answer::status(202).after(Duration::from_millis(200)))).upstream_unsure().get();
    call_to_unknown_cluster: refused(&call("none", 1000));
    call_without_path: refused(&call_with("~side", &[(":method", "GET"), (":authority", "c.test")], "", &[], 1000));
    call_without_method: refused(&call_with("~side", &[(":path", "/"), (":authority", "c.test")], "", &[], 1000));
    call_without_authority: refused(&call_with("~side", &[(":method", "GET"), (":path", "/")], "", &[], 1000));
    call_without_headers: refused(&call_with("~side", &[], "", &[], 1000));
    call_with_broken_headers: refused(&format!("(!number_at 'call' (!proxy_http_call '~side' '\\09\\00\\00\\00x' '' {} #1000 #24))", pairs(&[])));
    call_with_zero_timeout: calling(&call("~side", 0), READ);
    call_times_out: calling(&call("~slow", 50), &(READ.to_owned() + STATUS + &maps())).cluster(Cluster::new("slow").answers(Answer::never()));
    call_to_a_closed_port: calling(&call("~closed", 1000), &(READ.to_owned() + STATUS)).cluster(Cluster::new("closed").refuses());
    call_reset: calling(&call("~broken", 1000), &(READ.to_owned() + STATUS)).cluster(Cluster::new("broken").answers(Answer::reset()));
    call_to_no_host: Scenario::new(Probe::tracing().on("request_headers", &call("~empty", 1000)).on("http_call_response", STATUS)).cluster(Cluster::new("empty").hosts(0)).get();
    call_with_no_body_in_answer: calling(&call("~side", 1000), READ).cluster(Cluster::new("side").answers(Answer::status(204)));
    call_from_a_stream_that_leaves: Scenario::new(Probe::tracing().on("request_headers", &format!("{} (return #1)", call("~slow", 300))).on("http_call_response", &(status_of("set_effective_context", "#2") + "(!header #6 ':status')")))
        .cluster(Cluster::new("slow").answers(answer().after(Duration::from_millis(100)))).start(Client::get("/").leaves_after("#2 request_headers")).said("#2 delete").said("http_call_response");
    call_answers_the_stream: calling(&call("~side", 1000), &(status_of("set_effective_context", "#2") + &reply(203, "called"))).cluster(Cluster::new("up").answers(Answer::status(500)));
    call_from_a_tick: Scenario::new(Probe::tracing().on("request_headers", &(status_of("set_tick_period_milliseconds", "#20") + "(return #1)"))
        .on("tick", &(status_of("set_tick_period_milliseconds", "#0") + &call("~side", 1000))).on("http_call_response", &(READ.to_owned() + &release(2, 0)))).cluster(Cluster::new("side").answers(answer())).get();
    call_from_a_response: Scenario::new(Probe::tracing().on("response_headers", &format!("{} (return #1)", call("~side", 1000))).on("http_call_response", &(READ.to_owned() + &release(2, 1)))).cluster(Cluster::new("side").answers(answer())).get();
    call_from_log: Scenario::new(Probe::tracing().on("log", &call("~side", 1000)).on("http_call_response", READ)).cluster(Cluster::new("side").answers(answer())).get().said("b4");
    call_from_a_call: Scenario::new(Probe::tracing().on("request_headers", &format!("{} (return #1)", call("~side", 1000)))
        .on("http_call_response", &format!("(if (i32.eq (local.get $x) #4) (then {} ) (else {}))", call("~side", 1000), release(2, 0)))).cluster(Cluster::new("side").answers(answer())).get();
    call_response_traps: Scenario::new(Probe::tracing().on("request_headers", &format!("{} (return #1)", call("~side", 1000))).on("http_call_response", "unreachable")).cluster(Cluster::new("side").answers(answer())).start(Client::get("/")).said("http_call_response").get();
    call_while_two_streams: Scenario::new(Probe::tracing().on("request_headers", &format!("{} (return #1)", call("~side", 1000))).on("http_call_response", &(only(2, &release(2, 0)) + &only(3, &release(3, 0)) + &only(1, &(release(2, 0) + &release(3, 0))))))
        .cluster(Cluster::new("side").answers(answer().after(Duration::from_millis(50))).answers(answer().after(Duration::from_millis(250)))).start(Client::get("/a")).said("#2 request_headers").start(Client::get("/b"));
}
