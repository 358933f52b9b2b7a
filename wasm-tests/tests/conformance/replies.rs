//! Answers that filters give by themselves.

use crate::probes::{Probe, only, reply, reply_with, status_of};
use crate::scenario::{Answer, Client, Scenario};

fn in_callback(callback: &'static str, body: &str) -> Scenario {
    Scenario::new(Probe::tracing().on(callback, body))
        .answer(Answer::hello().chunk(" world").trailer("x-after", "1"))
        .send(Client::post(&["ab", "cd"]).trailer("x-end", "yes"))
}

fn at_headers(body: &str) -> Scenario {
    Scenario::new(
        Probe::tracing()
            .on("request_headers", body)
            .on("response_headers", "(!dump #2)"),
    )
    .show(&["server"])
}

fn second_answers(callback: &'static str) -> Scenario {
    Scenario::new(Probe::tracing())
        .then(Probe::tracing().on(callback, &reply(403, "no")))
        .then(Probe::tracing())
        .answer(Answer::hello().chunk(" world").trailer("x-after", "1"))
        .send(Client::post(&["ab"]).trailer("x-end", "yes"))
}

const DETAILS: &str = "(!property 'response\\00code_details') (!property_hex 'response\\00code') (!property_hex 'response\\00flags')";

scenarios! {
    reply_in_request_headers: in_callback("request_headers", &reply(403, "no"));
    reply_in_request_headers_and_continue: in_callback("request_headers", &(reply(403, "no") + &status_of("continue_stream", "#0")));
    reply_in_request_headers_and_pause: in_callback("request_headers", &(reply(403, "no") + "(return #1)"));
    reply_in_request_headers_of_a_get: at_headers(&reply(403, "no")).get();
    reply_in_request_body: in_callback("request_body", &reply(403, "no")).upstream_unsure();
    reply_in_request_trailers: in_callback("request_trailers", &reply(403, "no")).upstream_unsure();
    reply_in_response_headers: in_callback("response_headers", &reply(503, "no"));
    reply_in_response_body: in_callback("response_body", &reply(503, "no"));
    reply_in_held_response_body: Scenario::new(Probe::tracing().on("response_body", &format!("(if (local.get $y) (then {} (return #0))) (return #1)", reply(503, "no")))).answer(Answer::hello().chunk(" world")).get();
    reply_in_response_headers_held: Scenario::new(Probe::tracing().on("response_headers", &(reply(503, "no") + "(return #1)"))).get();
    reply_in_response_trailers: in_callback("response_trailers", &reply(503, "no"));
    reply_twice: at_headers(&(reply(403, "first") + &reply(500, "second"))).get();
    reply_twice_in_two_callbacks: Scenario::new(Probe::tracing().on("request_headers", &reply(403, "first")).on("response_headers", &reply(500, "second"))).get();
    reply_by_the_second_in_request_headers: second_answers("request_headers");
    reply_by_the_second_in_request_body: second_answers("request_body").upstream_unsure();
    reply_by_the_second_in_response_headers: second_answers("response_headers");
    reply_by_the_second_in_response_body: second_answers("response_body");
    reply_changed_on_its_way: Scenario::new(Probe::tracing().on("response_headers", "(!dump #2) (!ok (!proxy_replace_header_map_value #2 'x-first' 'seen')) (!ok (!proxy_replace_header_map_value #2 ':status' '404'))")
        .on("response_body", "(!buffer #1 #0 #99) (!ok (!proxy_set_buffer_bytes #1 #0 #99 'other'))"))
        .then(Probe::tracing().on("request_headers", &reply(403, "no")).on("response_headers", "(!ok (!proxy_remove_header_map_value #2 'content-type'))")).get();
    reply_held_on_its_way: Scenario::new(Probe::tracing().on("request_headers", &(only(2, &reply(403, "no")) + &only(3, &crate::probes::release(2, 1)))).on("response_headers", &only(2, "(return #1)")))
        .start(Client::get("/")).said("#2 response_headers").get();
    reply_to_head: at_headers(&reply(200, "body")).send(Client::new("HEAD", "/"));
    reply_to_head_http1: at_headers(&reply(200, "body")).send(Client::new("HEAD", "/").http1());
    reply_without_body: at_headers(&reply(204, "")).get();
    reply_without_body_200: at_headers(&reply(200, "")).send(Client::get("/").http1());
    reply_304: at_headers(&reply_with(304, "", &[("etag", "a"), ("content-length", "5"), ("content-type", "a/b")], -1)).get();
    reply_with_its_own_headers: at_headers(&reply_with(200, "body", &[("content-type", "a/b"), ("content-length", "99"), ("date", "yesterday"), ("server", "mine"), ("set-cookie", "a"), ("set-cookie", "b"), ("X-Upper", "1"), (":status", "299")], -1)).show(&["date"]).get();
    reply_over_http1: at_headers(&reply_with(429, "slow down", &[("retry-after", "1"), ("connection", "close"), ("transfer-encoding", "chunked")], -1)).send(Client::get("/").http1());
    reply_to_grpc: at_headers(&reply(403, "no way")).send(Client::post(&["ab"]).header("content-type", "application/grpc"));
    reply_to_grpc_with_status: at_headers(&reply_with(403, "no way %\\c3\\a9\\0a!", &[("x-a", "b")], 7)).send(Client::post(&["ab"]).header("content-type", "application/grpc+proto"));
    reply_to_grpc_web: at_headers(&reply(403, "no way")).send(Client::post(&["ab"]).header("content-type", "application/grpc-web"));
    reply_to_grpc_200: at_headers(&reply(200, "")).send(Client::post(&["ab"]).header("content-type", "application/grpc"));
    reply_to_grpc_401: at_headers(&reply(401, "")).send(Client::post(&["ab"]).header("content-type", "application/grpc"));
    reply_to_grpc_429: at_headers(&reply(429, "")).send(Client::post(&["ab"]).header("content-type", "application/grpc"));
    reply_to_grpc_404_in_response: Scenario::new(Probe::tracing().on("response_headers", &reply(404, "no"))).send(Client::post(&["ab"]).header("content-type", "application/grpc"));
    reply_to_http_with_grpc_status: at_headers(&reply_with(403, "no", &[], 7)).get();
    reply_status_100: at_headers(&reply(100, "no")).get();
    reply_status_0: at_headers(&reply(0, "no")).get();
    reply_status_1000: at_headers(&reply(1000, "no")).get();
    reply_with_broken_headers: at_headers("(!status 'reply' (!proxy_send_local_response #403 'why' 'no' '\\09\\00\\00\\00x' #-1))").get();
    reply_details: Scenario::new(Probe::tracing().on("request_headers", "(!status 'reply' (!proxy_send_local_response #403 'why not' 'no' '' #-1))").on("response_headers", DETAILS).on("log", DETAILS)).get();
    reply_without_details: Scenario::new(Probe::tracing().on("request_headers", "(!status 'reply' (!proxy_send_local_response #403 '' 'no' '' #-1))").on("log", DETAILS)).get();
    reply_from_another_stream: Scenario::new(Probe::tracing().on("request_headers", &(only(2, "(return #1)") + &status_of("set_effective_context", "#2") + &reply(203, "merged") + "(!header #0 ':path')")))
        .start(Client::get("/held")).said("#2 request_headers").start(Client::get("/own")).said("#3 request_headers");
    reply_from_a_tick: Scenario::new(Probe::tracing().on("request_headers", &(status_of("set_tick_period_milliseconds", "#20") + "(return #1)"))
        .on("tick", &(status_of("set_tick_period_milliseconds", "#0") + &status_of("set_effective_context", "#2") + &reply(203, "ticked") + "(!header #0 ':path') (!header #2 ':status')"))).get();
    reply_in_a_root_context: Scenario::new(Probe::tracing().on("request_headers", &(status_of("set_tick_period_milliseconds", "#20") + "(return #1)"))
        .on("tick", &(status_of("set_tick_period_milliseconds", "#0") + &reply(203, "nobody") + &status_of("continue_stream", "#0") + "(!header #0 ':path')" + &crate::probes::release(2, 0)))).get();
    reply_in_context_create: Scenario::new(Probe::tracing().on("context_create", &only(2, &reply(403, "early")))).get();
    effective_unknown: Scenario::new(Probe::tracing().on("request_headers", &(status_of("set_effective_context", "#99") + &status_of("set_effective_context", "#0") + &status_of("set_effective_context", "#1") + "(!header #0 ':path') (!map #0)"))).get();
}
