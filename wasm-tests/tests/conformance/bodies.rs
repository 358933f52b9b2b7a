//! Buffers, read and changed.

use crate::probes::{Probe, status_of};
use crate::scenario::{Answer, Client, Scenario};

/// Changes a body `abcdef` once it is whole.
fn changed(start: i32, length: i32, text: &str) -> Scenario {
    let set = status_of("set_buffer_bytes", &format!("#0 #{start} #{length} '{text}'"));
    Scenario::new(Probe::quiet().on("request_body", &format!("{set} (!buffer #0 #0 #99)")))
        .send(Client::post(&["abcdef"]))
}

fn read(start: i32, length: i32) -> Scenario {
    Scenario::new(Probe::quiet().on("request_body", &format!("(!buffer #0 #{start} #{length})")))
        .send(Client::post(&["abcdef"]))
}

scenarios! {
    prepend: changed(0, 0, "<");
    replace_start: changed(0, 2, "<>");
    replace_all: changed(0, 6, "xyz");
    replace_more_than_all: changed(0, 99, "xyz");
    replace_middle: changed(2, 2, "-");
    replace_to_end: changed(4, 99, "-");
    append_at_end: changed(6, 0, ">");
    append_beyond_end: changed(99, 0, ">");
    append_beyond_end_with_length: changed(99, 3, ">");
    empty_it: changed(0, 99, "");
    delete_start: changed(0, 2, "");
    negative_length: changed(0, -1, "xyz");
    negative_start: changed(-1, 0, ">");
    read_middle: read(2, 2);
    read_too_much: read(4, 99);
    read_at_end: read(6, 1);
    read_beyond_end: read(7, 1);
    read_nothing: read(0, 0);
    read_negative_length: read(2, -1);
    read_negative_start: read(-1, 1);
    change_chunks: Scenario::new(Probe::quiet().on("request_body", "(!ok (!proxy_set_buffer_bytes #0 #0 #1 '--'))")).send(Client::post(&["ab", "cd"]));
    change_response: Scenario::new(Probe::quiet().on("response_headers", &status_of("remove_header_map_value", "#2 'content-length'"))
        .on("response_body", "(!ok (!proxy_set_buffer_bytes #1 #0 #99 'changed at length'))")).answer(Answer::hello().header("content-length", "5")).get();
    change_response_and_keep_length: Scenario::new(Probe::quiet().on("response_body", "(!ok (!proxy_set_buffer_bytes #1 #0 #99 'changed at length'))")).answer(Answer::hello().header("content-length", "5")).send(Client::get("/").http1());
    change_request_and_keep_length: Scenario::new(Probe::quiet().on("request_body", "(!ok (!proxy_set_buffer_bytes #0 #0 #99 'changed at length'))")).send(Client::post(&["abcde"]).header("content-length", "5"));
    body_for_a_request_without: Scenario::new(Probe::tracing().on("request_headers", &status_of("set_buffer_bytes", "#0 #0 #0 'new'"))).get();
}
