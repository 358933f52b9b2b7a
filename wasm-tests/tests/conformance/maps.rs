//! Header maps and buffers: which there are in which callback, and how they change.

use crate::probes::{Probe, buffers, maps, number_of, pairs, status_of};
use crate::scenario::{Answer, Client, Scenario};

/// Does this in every callback of a request and its answer, each with body and trailers.
fn everywhere(body: &str) -> Scenario {
    let callbacks = [
        "context_create",
        "request_headers",
        "request_body",
        "request_trailers",
        "response_headers",
        "response_body",
        "response_trailers",
        "done",
        "log",
        "delete",
    ];
    let probe = callbacks
        .iter()
        .fold(Probe::quiet(), |probe, name| probe.on(name, body));
    Scenario::new(probe)
        .answer(Answer::hello().trailer("x-after", "1"))
        .send(Client::post(&["ab"]).trailer("x-end", "yes"))
}

fn writes() -> String {
    let write = |map: u32| {
        status_of("add_header_map_value", &format!("#{map} 'x-add' '1'"))
            + &status_of("replace_header_map_value", &format!("#{map} 'x-replace' '1'"))
            + &status_of("remove_header_map_value", &format!("#{map} 'x-none'"))
            + &status_of("set_header_map_pairs", &format!("#{map} (!copy_of_map #{map})"))
            + &(if map == 2 {
                String::new()
            } else {
                number_of("get_header_map_size", &format!("#{map}"))
            })
            + &format!("(!header #{map} 'x-add')")
    };
    [0, 1, 2, 3, 6, 9].map(write).concat()
}

const COPY: &str = "(func $copy_of_map (param $map i32) (result i32 i32)
    (i32.store #20 #0)
    (drop (!proxy_get_header_map_pairs (local.get $map) #16 #20))
    (i32.load #16) (i32.load #20))";

fn in_request(body: &str) -> Scenario {
    Scenario::new(Probe::quiet().on("request_headers", body)).send(
        Client::get("/")
            .header("x-a", "1")
            .header("x-b", "2")
            .header("x-a", "3")
            .header("cookie", "a=1")
            .header("cookie", "b=2"),
    )
}

scenarios! {
    maps_to_read: everywhere(&maps());
    maps_to_write: {
        let mut scenario = everywhere(&writes());
        let probe = scenario.filters.remove(0);
        scenario.filters.push(probe.with(COPY));
        scenario
    };
    buffers_to_read: everywhere(&buffers());
    buffers_to_write: everywhere(
        &[0, 1, 4, 6, 7, 9]
            .map(|buffer| status_of("set_buffer_bytes", &format!("#{buffer} #0 #1 'z'"))
                + &format!("(!status 'buffer_status' (!proxy_get_buffer_status #{buffer} #24 #32)) (!number 'size' (i32.load #24)) (i32.store #24 #0)"))
            .concat(),
    );
    repeated_values: in_request("(!dump #0) (!header #0 'x-a') (!header #0 'X-A') (!header #0 'cookie') (!header #0 'none') (!header #0 '')");
    replace_repeated: in_request(&(status_of("replace_header_map_value", "#0 'X-A' 'new'") + "(!dump #0)"));
    replace_absent: in_request(&(status_of("replace_header_map_value", "#0 'x-c' 'new'") + "(!dump #0)"));
    add_repeated: in_request(&(status_of("add_header_map_value", "#0 'X-B' 'more'") + &status_of("add_header_map_value", "#0 'cookie' 'c=3'")
        + &status_of("add_header_map_value", "#0 'x-forwarded-for' '1.1.1.1'")
        + &status_of("add_header_map_value", "#0 'x-forwarded-for' '2.2.2.2'")
        + &status_of("add_header_map_value", "#0 ':path' '/more'") + "(!dump #0)"));
    remove_repeated: in_request(&(status_of("remove_header_map_value", "#0 'X-A'") + &status_of("remove_header_map_value", "#0 'none'") + "(!dump #0)"));
    set_pairs: in_request(&(status_of(
        "set_header_map_pairs",
        &format!("#0 {}", pairs(&[(":method", "PUT"), (":path", "/set"), (":authority", "a.test"), (":scheme", "http"), ("x-forwarded-proto", "http"), ("x-a", "4"), ("x-c", "5"), ("x-a", "6")])),
    ) + "(!dump #0)"));
    set_pairs_without_forwarded_proto: in_request(&status_of("set_header_map_pairs", &format!("#0 {}", pairs(&[(":method", "PUT"), (":path", "/set"), (":authority", "a.test"), (":scheme", "http")]))));
    set_no_pairs: in_request(&(status_of("set_header_map_pairs", "#0 ''") + "(!dump #0)"));
    set_broken_pairs: in_request(&(status_of("set_header_map_pairs", "#0 '\\09\\00\\00\\00abc'") + "(!dump #0)"));
    map_sizes: in_request(&(number_of("get_header_map_size", "#0") + &number_of("get_header_map_size", "#2") + &number_of("get_header_map_size", "#9")));
    odd_values: in_request(&(status_of("replace_header_map_value", "#0 'x-b' ''") + &status_of("add_header_map_value", "#0 'x-empty' ''")
        + &status_of("add_header_map_value", "#0 'x-high' 'a\\e9b'") + &status_of("add_header_map_value", "#0 '' 'no name'")
        + "(!header #0 'x-b') (!header #0 'x-empty') (!dump #0)"));
    line_breaks_in_values: in_request(&status_of("add_header_map_value", "#0 'x-split' 'a\\0d\\0ax-evil: 1'"));
    path_and_authority: in_request(&(status_of("replace_header_map_value", "#0 ':path' '/new?q=1'")
        + &status_of("replace_header_map_value", "#0 ':authority' 'other.test'")
        + &status_of("replace_header_map_value", "#0 ':method' 'DELETE'")));
    remove_path: in_request(&(status_of("remove_header_map_value", "#0 ':path'") + "(!dump #0)"));
    remove_authority: in_request(&(status_of("remove_header_map_value", "#0 ':authority'") + "(!dump #0)"));
    response_status: Scenario::new(Probe::quiet().on("response_headers", &(status_of("replace_header_map_value", "#2 ':status' '418'")
        + &status_of("add_header_map_value", "#2 'x-new' '1'") + &status_of("add_header_map_value", "#2 'set-cookie' 'a'")
        + &status_of("add_header_map_value", "#2 'set-cookie' 'b'") + &status_of("remove_header_map_value", "#2 'x-upstream'") + &status_of("remove_header_map_value", "#2 'x-envoy-upstream-service-time'") + "(!dump #2)")))
        .answer(Answer::hello().header("x-upstream", "1")).get();
}
