//! Streams that are held, and go on.

use crate::probes::{Probe, only, release, status_of};
use crate::scenario::{Answer, Client, Cluster, Part, Scenario};

/// The first request is held at its headers by this answer; the second lets it go.
fn held_at_request_headers(answer: u32) -> Probe {
    Probe::tracing().on(
        "request_headers",
        &(only(2, &format!("(return #{answer})")) + &release(2, 0)),
    )
}

fn held_at_response_headers(answer: u32) -> Probe {
    Probe::tracing()
        .on("request_headers", &only(3, &release(2, 1)))
        .on("response_headers", &only(2, &format!("(return #{answer})")))
}

/// A request with body and trailers, alone.
fn in_one(probe: Probe) -> Scenario {
    Scenario::new(probe)
        .answer(Answer::hello().chunk(" world").trailer("x-after", "1"))
        .send(Client::post(&["ab", "cde"]).trailer("x-end", "yes"))
}

/// A request with body and trailers, and one that lets it go.
fn in_two(probe: Probe, held: &str) -> Scenario {
    Scenario::new(probe)
        .answer(Answer::hello().chunk(" world").trailer("x-after", "1"))
        .start(Client::post(&["ab", "cde"]).trailer("x-end", "yes"))
        .said(held)
        .get()
}

fn in_body(body: &str) -> Probe {
    Probe::tracing().on("request_body", body)
}

const BEFORE_END: &str = "(if (i32.eqz (local.get $y)) (then (return #1)))";

scenarios! {
    request_headers_1: in_two(held_at_request_headers(1), "#2 request_headers");
    request_headers_1_iterating: in_one(held_at_request_headers(1).stops_at_headers_only());
    request_headers_1_without_body: Scenario::new(held_at_request_headers(1)).start(Client::get("/")).said("#2 request_headers").get();
    request_headers_2: in_one(held_at_request_headers(2));
    request_headers_3: in_two(held_at_request_headers(3), "#2 request_headers");
    request_headers_4: in_two(held_at_request_headers(4), "#2 request_headers");
    request_headers_5: Scenario::new(held_at_request_headers(5)).start(Client::post(&["ab"])).said("#2 request_headers").get();
    request_headers_99: Scenario::new(held_at_request_headers(99)).start(Client::get("/")).said("#2 request_headers").get();
    response_headers_1: in_two(held_at_response_headers(1), "#2 response_headers");
    response_headers_1_iterating: in_one(held_at_response_headers(1).stops_at_headers_only());
    response_headers_2: in_one(held_at_response_headers(2));
    response_headers_3: in_two(held_at_response_headers(3), "#2 response_headers");
    response_headers_4: in_two(held_at_response_headers(4), "#2 response_headers");
    continue_in_the_callback: Scenario::new(Probe::tracing().on("request_headers", &(status_of("continue_stream", "#0") + "(return #1)"))).start(Client::post(&["ab"])).said("continue_stream").upstream_unsure();
    continue_what_is_not_held: Scenario::new(Probe::tracing().on("request_headers", &(status_of("continue_stream", "#0") + &status_of("continue_stream", "#9")))).send(Client::post(&["ab"])).upstream_unsure();
    continue_in_the_callback_without_body: Scenario::new(Probe::tracing().on("request_headers", &(status_of("continue_stream", "#0") + "(return #1)"))).start(Client::get("/")).said("continue_stream").upstream_unsure();
    continue_in_the_response_callback: Scenario::new(Probe::tracing().on("response_headers", &(status_of("continue_stream", "#1") + "(return #1)"))).start(Client::get("/")).said("continue_stream");
    continue_the_request_in_the_response: Scenario::new(Probe::tracing().on("response_headers", &status_of("continue_stream", "#0"))).start(Client::get("/")).said("continue_stream");
    two_filters_hold: Scenario::new(held_at_request_headers(1)).then(held_at_request_headers(1).with("(global $other i32 #1)")).start(Client::post(&["ab"])).said("a: #2 request_headers").get();
    body_held_until_its_end: Scenario::new(in_body(&format!("(!buffer #0 #0 #99) {BEFORE_END}"))).send(Client::post(&["ab", "cde", "f"]));
    body_held_until_trailers: Scenario::new(in_body("(!buffer #0 #0 #99) (return #1)").on("request_trailers", "(!buffer #0 #0 #99)")).send(Client::post(&["ab", "cde"]).trailer("x-end", "yes"));
    body_held_to_the_end: in_one(in_body("(return #1)"));
    body_held_without_trailers: Scenario::new(in_body(&only(2, "(return #1)")).on("request_headers", &only(3, &release(2, 0)))).start(Client::post(&["ab", "cde"])).said("#2 request_body 5 1").get();
    body_passed_in_the_middle: Scenario::new(in_body("(!buffer #0 #0 #99) (if (i32.eq (local.get $x) #2) (then (return #1)))")).send(Client::post(&["ab", "cde", "f"]));
    body_released_then_more: Scenario::new(in_body(&only(2, "(!buffer #0 #0 #99) (if (i32.eq (local.get $x) #2) (then (return #1)))")).on("request_headers", &only(3, &release(2, 0))))
        .start(Client::post(&["ab"]).part(Part::Said("#3 request_headers")).part(Part::Chunk("cde")).part(Part::Chunk("f"))).said("#2 request_body 2 0").get();
    body_answers_2: Scenario::new(in_body("(if (i32.eqz (local.get $y)) (then (return #2)))")).send(Client::post(&["ab", "cde"]));
    body_answers_3: Scenario::new(in_body("(if (i32.eqz (local.get $y)) (then (return #3)))")).send(Client::post(&["ab", "cde"]));
    body_answers_9: Scenario::new(in_body("(if (i32.eqz (local.get $y)) (then (return #9)))")).send(Client::post(&["ab", "cde"]));
    too_large_a_body: Scenario::new(Probe::tracing().unsaid("request_body", "(return #1)"))
        .send(Client::post(&[]).part(Part::Large(1_500_000)).http1()).show(&["connection"]).upstream_unsure();
    too_large_a_response: Scenario::new(Probe::tracing().unsaid("response_body", "(return #1)"))
        .cluster(Cluster::new("up").http1().answers(Answer::status(200).part(Part::Large(1_500_000)))).send(Client::get("/").http1());
    response_held_until_its_end: Scenario::new(Probe::tracing().on("response_body", &format!("(!buffer #1 #0 #99) {BEFORE_END}"))).answer(Answer::hello().chunk(" ").chunk("world")).get();
    trailers_held: in_two(Probe::tracing().on("request_trailers", "(return #1)").on("request_headers", &only(3, &release(2, 0))), "#2 request_trailers");
    response_trailers_held: in_two(Probe::tracing().on("response_trailers", &only(2, "(return #1)")).on("request_headers", &only(3, &release(2, 1))), "#2 response_trailers");
    trailers_changed: Scenario::new(Probe::tracing().on("request_trailers", "(!dump #1) (!ok (!proxy_add_header_map_value #1 'x-more' '1')) (!ok (!proxy_replace_header_map_value #1 'x-end' 'no'))"))
        .send(Client::post(&["ab"]).trailer("x-end", "yes"));
    trailers_added_where_there_are_none: Scenario::new(in_body(&status_of("add_header_map_value", "#1 'x-more' '1'"))).send(Client::post(&["ab"]));
    client_leaves_while_held: Scenario::new(held_at_request_headers(1)).start(Client::get("/").leaves_after("#2 request_headers")).said("#2 delete").get();
    client_leaves_while_upstream_waits: Scenario::new(Probe::tracing()).answer(Answer::never()).start(Client::get("/").leaves_after("#2 request_headers")).said("#2 delete").upstream_unsure();
}
