//! Holding, continuing and answering streams; bodies; properties.

use std::time::Duration;

use weir_wasm_tests::{Action, LocalResponse, PluginOptions, Process, Request, Status};

use crate::probe::{callback, event, on_request, probe, said, serving};

/// One header `x-a: b` as the ABI writes a map.
const ONE_PAIR: &str = "'\\01\\00\\00\\00\\03\\00\\00\\00\\01\\00\\00\\00x-a\\00b\\00'";

fn refuse(grpc_status: i32) -> String {
    on_request(&format!(
        "(call $ok (call $proxy_send_local_response (i32.const 400) 'why' 'no key' {ONE_PAIR} (i32.const {grpc_status})))
         (call $ok (call $proxy_send_local_response (i32.const 500) 'why' 'twice' {ONE_PAIR} (i32.const -1)))"
    ))
}

#[test]
fn the_first_local_response_stops_the_stream_and_passes_the_filters_own_response_callbacks() {
    let (_process, plugin) = serving(
        &(refuse(-1)
            + &callback(
                "proxy_on_response_headers",
                "i32 i32",
                "(call $ok (call $proxy_replace_header_map_value (i32.const 2) 'content-type' 'application/problem+json'))",
            )),
    );
    let outcome = plugin.worker(0).request(Request::get("/")).unwrap();
    assert_eq!(outcome.action, Action::Pause);
    let expected = LocalResponse {
        status: 400,
        headers: [("x-a", "b")].into_iter().collect(),
        body: b"no key".to_vec(),
        grpc_status: None,
        details: "why".to_owned(),
    };
    assert_eq!(outcome.local_response, Some(expected));
    let answer = [
        (":status", "400"),
        ("x-a", "b"),
        ("content-length", "6"),
        ("content-type", "application/problem+json"),
    ];
    assert_eq!(outcome.answer, Some(answer.into_iter().collect()));
}

#[test]
fn a_grpc_request_is_answered_in_grpc() {
    let (_process, plugin) = serving(&refuse(3));
    let request = Request::new("POST", "/").header("content-type", "application/grpc");
    let outcome = plugin.worker(0).request(request).unwrap();
    assert_eq!(outcome.local_response.unwrap().grpc_status, Some(3));
    let answer = [
        (":status", "200"),
        ("x-a", "b"),
        ("content-type", "application/grpc"),
        ("grpc-status", "3"),
        ("grpc-message", "no key"),
    ];
    assert_eq!(outcome.answer, Some(answer.into_iter().collect()));
}

/// Holds every request. A tick answers context 2 and continues context 3.
fn holding() -> String {
    on_request("(call $ok (call $proxy_set_tick_period_milliseconds (i32.const 10))) (return (i32.const 1))")
        + &event(
            "proxy_on_tick",
            &format!(
                "(call $ok (call $proxy_set_effective_context (i32.const 2)))
                 (call $ok (call $proxy_send_local_response (i32.const 203) '' 'merged' {ONE_PAIR} (i32.const -1)))
                 (call $ok (call $proxy_set_effective_context (i32.const 3)))
                 (call $ok (call $proxy_replace_header_map_value (i32.const 0) 'x-late' 'yes'))
                 (call $ok (call $proxy_continue_stream (i32.const 0)))
                 (call $expect (call $proxy_set_effective_context (i32.const 99)) (i32.const {}))",
                Status::BadArgument as u32
            ),
        )
        + &callback("proxy_on_request_body", "i32 i32", "(call $number 'body' (local.get 1))")
}

#[test]
fn other_streams_can_be_answered_and_continued() {
    let (process, plugin) = serving(&holding());
    let answered = plugin.worker(0).open(Request::get("/")).unwrap();
    let continued = plugin.worker(0).open(Request::get("/").with_body()).unwrap();
    let held = plugin.worker(0).open(Request::get("/")).unwrap();
    let actions = || [&answered, &continued, &held].map(|stream| stream.outcome().action);
    assert_eq!(actions(), [Action::Pause; 3]);
    assert_eq!(continued.request_body(b"ab", false).unwrap().content, b"");
    process.advance(Duration::from_millis(10)).unwrap();
    assert_eq!(actions(), [Action::Pause, Action::Continue, Action::Pause]);
    assert_eq!(answered.outcome().local_response.unwrap().status, 203);
    assert_eq!(continued.outcome().headers.text("x-late").as_deref(), Some("yes"));
    assert_eq!(held.outcome().local_response, None);
    assert_eq!(said(&process), ["body 2"], "what had waited goes on at once");
    assert_eq!(continued.request_body(b"cd", true).unwrap().content, b"cd");
}

#[test]
fn a_body_is_held_changed_and_sent_on() {
    let (_process, plugin) = serving(&callback(
        "proxy_on_request_body",
        "i32 i32",
        "(if (i32.eqz (local.get 2)) (then (return (i32.const 1))))
         (call $ok (call $proxy_set_buffer_bytes (i32.const 0) (i32.const 0) (i32.const 2) '<'))
         (call $ok (call $proxy_set_buffer_bytes (i32.const 0) (i32.const 99) (i32.const 0) '>'))
         (call $ok (call $proxy_get_buffer_status (i32.const 0) (i32.const 24) (i32.const 32)))
         (call $expect (i32.load (i32.const 24)) (i32.const 6))",
    ));
    let stream = plugin
        .worker(0)
        .open(Request::new("PUT", "/").with_body())
        .unwrap();
    let first = stream.request_body(b"abc", false).unwrap();
    assert_eq!((first.action, first.content), (Action::Pause, b"".to_vec()));
    let last = stream.request_body(b"def", true).unwrap();
    assert_eq!(
        (last.action, last.content),
        (Action::Continue, b"<cdef>".to_vec())
    );
}

#[test]
fn configurations_are_read_in_parts_and_only_in_their_time() {
    let not_found = Status::NotFound as u32;
    let get = |buffer: u32, start: u32, size: u32| {
        format!(
            "(call $proxy_get_buffer_bytes (i32.const {buffer}) (i32.const {start}) (i32.const {size}) (i32.const 16) (i32.const 20))"
        )
    };
    let (plugin_part, vm, later) = (get(7, 1, 2), get(6, 0, 99), get(7, 0, 9));
    let module = probe(
        &(format!(
            "(func (export \"proxy_on_configure\") (param i32 i32) (result i32)
               (call $ok {plugin_part}) (call $say_value) (call $ok {vm}) (call $say_value) (i32.const 1))"
        ) + &on_request(&format!(
            "(call $expect {later} (i32.const {not_found})) (call $ok {vm})"
        ))),
    );
    let process = Process::new(1);
    let options = PluginOptions {
        vm_configuration: b"of the VM".to_vec(),
        ..PluginOptions::of(&module)
    };
    let plugin = process.load_with(&module, options);
    plugin.configure("abcd").unwrap();
    plugin.worker(0).request(Request::get("/")).unwrap();
    assert_eq!(said(&process), ["bc", "of the VM"]);
}

#[test]
fn properties_are_the_requests_the_plugins_and_the_filters_own() {
    let not_found = Status::NotFound as u32;
    let get = |path: &str| format!("(call $proxy_get_property '{path}' (i32.const 16) (i32.const 20))");
    let body = format!(
        "(call $ok {}) (call $say_value) (call $ok {}) (call $say_value)
         (call $expect {} (i32.const {not_found}))
         (call $ok (call $proxy_set_property 'weir' 'shard=a')) (call $ok {}) (call $say_value)",
        get("source\\00address"),
        get("plugin_name"),
        get("weir"),
        get("weir")
    );
    let (process, plugin) = serving(&on_request(&body));
    let request = Request::get("/").property(&["source", "address"], "127.0.0.1:9");
    let outcome = plugin.worker(0).request(request).unwrap();
    assert_eq!(said(&process), ["127.0.0.1:9", "probe", "shard=a"]);
    assert_eq!(outcome.filter_state[&b"weir"[..]], b"shard=a");
}

#[test]
fn an_effective_context_lasts_for_one_callback() {
    let (_process, plugin) = serving(&on_request(
        "(call $ok (call $proxy_replace_header_map_value (i32.const 0) 'x-own' 'yes'))
         (call $ok (call $proxy_set_effective_context (i32.const 2)))",
    ));
    let first = plugin.worker(0).open(Request::get("/")).unwrap();
    let second = plugin.worker(0).open(Request::get("/")).unwrap();
    assert_eq!(second.outcome().headers.text("x-own").as_deref(), Some("yes"));
    second.finish().unwrap();
    first.finish().unwrap();
}

#[test]
fn a_local_response_to_a_response_stops_it() {
    let (_process, plugin) = serving(&callback(
        "proxy_on_response_headers",
        "i32 i32",
        "(call $ok (call $proxy_send_local_response (i32.const 502) '' '' '' (i32.const -1)))",
    ));
    let stream = plugin.worker(0).open(Request::get("/")).unwrap();
    let passed = stream
        .response_headers([(":status", "200")].into_iter().collect(), true)
        .unwrap();
    assert_eq!(passed.action, Action::Pause);
    assert_eq!(stream.outcome().local_response.unwrap().status, 502);
    stream.finish().unwrap();
}
