//! gRPC calls and streams.

use std::time::Duration;

use weir_wasm_tests::{Answer, Cluster, HostError, Plugin, Process, Request, Status};

use crate::probe::{callback, event, on_request, probe, said, serving};

/// Every callback says what it got.
fn listening(on_request_headers: &str) -> String {
    let event = |name: &str, body: &str| {
        format!(
            "(func (export \"proxy_on_grpc_{name}\") (param $id i32) (param $token i32) (param $value i32) {body})\n"
        )
    };
    let lookup = |map: u32, name: &str| {
        format!(
            "(if (i32.eqz (call $proxy_get_header_map_value (i32.const {map}) '{name}' (i32.const 16) (i32.const 20)))
               (then (call $say_value)))"
        )
    };
    on_request(on_request_headers)
        + &event(
            "receive_initial_metadata",
            &("(call $number 'initial' (local.get $value))".to_owned() + &lookup(4, "x-initial")),
        )
        + &event(
            "receive",
            "(call $number 'message for' (local.get $token))
             (call $ok (call $proxy_get_buffer_bytes (i32.const 5) (i32.const 0) (local.get $value) (i32.const 16) (i32.const 20)))
             (call $say_value)",
        )
        + &event(
            "receive_trailing_metadata",
            &("(call $number 'trailing' (local.get $value))".to_owned() + &lookup(5, "x-trailing")),
        )
        + &event(
            "close",
            "(call $number 'closed' (local.get $value))
             (call $ok (call $proxy_get_status (i32.const 24) (i32.const 16) (i32.const 20)))
             (call $expect (i32.load (i32.const 24)) (local.get $value))
             (call $say_value)",
        )
}

/// Header `x-meta: 1` as the ABI writes a map.
const METADATA: &str = "'\\01\\00\\00\\00\\06\\00\\00\\00\\01\\00\\00\\00x-meta\\001\\00'";

fn call(upstream: &str, timeout: u32) -> String {
    format!(
        "(call $proxy_grpc_call '{upstream}' 'pkg.Service' 'Method' {METADATA} 'question' (i32.const {timeout}) (i32.const 24))"
    )
}

fn stream(upstream: &str) -> String {
    format!("(call $proxy_grpc_stream '{upstream}' 'pkg.Service' 'Method' {METADATA} (i32.const 24))")
}

fn ok(call: &str) -> String {
    format!("(call $ok {call})")
}

fn expect(call: &str, status: Status) -> String {
    format!("(call $expect {call} (i32.const {}))", status as u32)
}

fn send(message: &str, end: u32) -> String {
    ok(&format!(
        "(call $proxy_grpc_send (i32.const 6) '{message}' (i32.const {end}))"
    ))
}

/// A process whose cluster `side` answers so, after one request.
fn after_request(on_request_headers: &str, side: Cluster) -> (Process, Plugin) {
    let (process, plugin) = serving(&listening(on_request_headers));
    process.cluster("side", side);
    plugin.worker(0).request(Request::get("/")).unwrap();
    process.advance(Duration::from_secs(2)).unwrap();
    (process, plugin)
}

fn heard(on_request_headers: &str, side: Cluster) -> Vec<String> {
    said(&after_request(on_request_headers, side).0)
}

#[test]
fn a_call_that_goes_well_brings_its_message_and_nothing_else() {
    let (process, _plugin) = after_request(
        &ok(&call("side", 1000)),
        Cluster::answering(Answer::grpc(0).message("yes")),
    );
    assert_eq!(said(&process), ["message for 5", "yes"]);
    let [request] = &process.calls()[..] else {
        panic!("one request")
    };
    let header = |name: &str| request.headers.text(name).unwrap_or_default();
    assert_eq!(
        [
            ":method",
            ":path",
            ":authority",
            "te",
            "content-type",
            "grpc-timeout",
            "x-meta"
        ]
        .map(header),
        [
            "POST",
            "/pkg.Service/Method",
            "side",
            "trailers",
            "application/grpc",
            "1000m",
            "1"
        ]
    );
    assert_eq!(request.messages(), [b"question"]);
    assert!(request.complete && !request.reset);
}

#[test]
fn a_call_that_fails_is_closed_with_the_servers_status() {
    let refused = Answer::grpc(7).trailer("grpc-message", "no way");
    assert_eq!(
        heard(&ok(&call("side", 1000)), Cluster::answering(refused)),
        ["closed 7", "no way{via_upstream}"]
    );
    let at_once = Answer::ok().header("grpc-status", "5");
    assert_eq!(
        heard(&ok(&call("side", 1000)), Cluster::answering(at_once)),
        ["closed 5", "via_upstream"]
    );
}

#[test]
fn an_answer_that_is_no_grpc_has_the_status_of_http_or_of_the_proxy() {
    let outcome = |answer: Answer| heard(&ok(&call("side", 1000)), Cluster::answering(answer)).join(", ");
    assert_eq!(outcome(Answer::status(503)), "closed 14, via_upstream");
    assert_eq!(outcome(Answer::status(403)), "closed 7, via_upstream");
    assert_eq!(outcome(Answer::grpc(0)), "closed 13, ");
    assert_eq!(outcome(Answer::ok().body("\0\0")), "closed 2, via_upstream");
    assert_eq!(
        outcome(Answer::grpc_so_far().message("a").then_reset()),
        "closed 13, via_upstream"
    );
    let own = "upstream connect error or disconnect/reset before headers. reset reason: remote";
    assert_eq!(
        outcome(Answer::reset()),
        format!("closed 14, {own} reset{{upstream_reset_before_response_started{{remote_reset}}}}")
    );
    assert_eq!(
        outcome(Answer::refused()),
        format!(
            "closed 14, {own} connection failure{{upstream_reset_before_response_started{{remote_connection_failure|delayed_connect_error:_Connection_refused}}}}"
        )
    );
}

#[test]
fn a_call_times_out_in_virtual_time_and_its_host_sees_a_reset() {
    let (process, plugin) = serving(&listening(&ok(&call("side", 1000))));
    process.cluster("side", Cluster::answering(Answer::never()));
    plugin.worker(0).request(Request::get("/")).unwrap();
    process.advance(Duration::from_millis(999)).unwrap();
    assert_eq!(said(&process), [""; 0]);
    process.advance(Duration::from_millis(1)).unwrap();
    assert_eq!(
        said(&process),
        ["closed 14", "upstream request timeout{response_timeout}"]
    );
    assert!(process.calls()[0].reset);
}

#[test]
fn a_timeout_of_zero_is_none() {
    let late = Answer::grpc(0).message("late").after(Duration::from_secs(2));
    assert_eq!(
        heard(&ok(&call("side", 0)), Cluster::answering(late)),
        ["message for 5", "late"]
    );
}

#[test]
fn a_stream_is_heard_from_its_first_metadata_to_its_status() {
    let answer = Answer::grpc(0)
        .header("x-initial", "first")
        .message("one")
        .message("two")
        .trailer("x-trailing", "last");
    let body = ok(&stream("side")) + &send("a", 0) + &send("b", 1);
    let (process, _plugin) = after_request(&body, Cluster::answering(answer));
    assert_eq!(
        said(&process),
        [
            "initial 4",
            "first",
            "message for 6",
            "one",
            "message for 6",
            "two",
            "trailing 2",
            "last",
            "closed 0",
            "via_upstream"
        ]
    );
    assert_eq!(process.calls()[0].messages(), [b"a", b"b"]);
    assert_eq!(process.calls()[0].headers.text("grpc-timeout"), None);
}

/// Repeats each message, and ends when its client does.
fn echo() -> Cluster {
    Cluster::new(|request| {
        if request.complete {
            return Answer::grpc(0);
        }
        Answer::grpc_so_far().message(request.messages().pop().unwrap())
    })
    .answering_each_message()
}

#[test]
fn a_server_answers_message_by_message_while_its_client_sends() {
    let more = "(func (export \"proxy_on_tick\") (param i32)
        (call $ok (call $proxy_set_tick_period_milliseconds (i32.const 0)))
        (call $ok (call $proxy_grpc_send (i32.const 6) 'b' (i32.const 0)))
        (call $ok (call $proxy_grpc_close (i32.const 6))))";
    let body = ok(&stream("side"))
        + &send("a", 0)
        + "(call $ok (call $proxy_set_tick_period_milliseconds (i32.const 10)))";
    let (process, plugin) = serving(&(listening(&body) + more));
    process.cluster("side", echo());
    plugin.worker(0).request(Request::get("/")).unwrap();
    assert_eq!(said(&process), ["initial 3", "message for 6", "a"]);
    process.advance(Duration::from_millis(10)).unwrap();
    let expected = ["message for 6", "b", "trailing 1", "closed 0", "via_upstream"];
    assert_eq!(said(&process)[3..], expected);
    assert!(process.calls()[0].complete && !process.calls()[0].reset);
}

#[test]
fn what_was_cancelled_at_once_never_starts_and_later_is_reset() {
    let cancelled = ok(&call("side", 1000)) + "(call $ok (call $proxy_grpc_cancel (i32.const 5)))";
    let (process, _plugin) = after_request(&cancelled, Cluster::answering(Answer::grpc(0).message("yes")));
    assert_eq!((said(&process), process.calls()), (vec![], vec![]));

    let cancel = event(
        "proxy_on_log",
        "(call $ok (call $proxy_grpc_cancel (i32.const 6)))
        (call $expect (call $proxy_grpc_cancel (i32.const 6)) (i32.const 1))",
    );
    let (process, plugin) = serving(&(listening(&ok(&stream("side"))) + &cancel));
    process.cluster("side", Cluster::answering(Answer::grpc(0)).answering_at_headers());
    let open = plugin.worker(0).open(Request::get("/")).unwrap();
    let before = said(&process);
    open.finish().unwrap();
    process.advance(Duration::from_secs(1)).unwrap();
    assert_eq!(said(&process), before);
}

#[test]
fn a_stream_that_its_server_ends_is_known_until_the_filter_closes_it() {
    let close = event(
        "proxy_on_log",
        "(call $ok (call $proxy_grpc_close (i32.const 6)))
        (call $expect (call $proxy_grpc_close (i32.const 6)) (i32.const 1))",
    );
    let (process, plugin) = serving(&(listening(&ok(&stream("side"))) + &close));
    process.cluster("side", Cluster::answering(Answer::grpc(0)).answering_at_headers());
    let open = plugin.worker(0).open(Request::get("/")).unwrap();
    process.advance(Duration::ZERO).unwrap();
    assert_eq!(
        said(&process),
        ["initial 3", "trailing 1", "closed 0", "via_upstream"]
    );
    assert!(process.calls()[0].reset, "the client had not ended its side");
    open.finish().unwrap();
}

#[test]
fn tokens_are_counted_by_kind_and_others_are_refused() {
    let not_found = Status::NotFound;
    let body = ok(&call("side", 0))
        + "(call $expect (i32.load (i32.const 24)) (i32.const 5))"
        + &ok(&stream("side"))
        + "(call $expect (i32.load (i32.const 24)) (i32.const 6))"
        + &ok(&call("side", 0))
        + "(call $expect (i32.load (i32.const 24)) (i32.const 9))"
        + &expect(
            "(call $proxy_grpc_send (i32.const 10) 'x' (i32.const 0))",
            not_found,
        )
        + &expect(
            "(call $proxy_grpc_send (i32.const 5) 'x' (i32.const 0))",
            Status::BadArgument,
        )
        + &expect("(call $proxy_grpc_close (i32.const 10))", not_found)
        + &expect("(call $proxy_grpc_cancel (i32.const 13))", not_found)
        + &expect("(call $proxy_grpc_cancel (i32.const 4))", Status::BadArgument)
        + &expect("(call $proxy_grpc_close (i32.const 4))", Status::BadArgument);
    after_request(&body, Cluster::answering(Answer::grpc(0)));
}

/// A `GrpcService` with an `EnvoyGrpc` in it.
fn message(cluster: &str) -> String {
    let length = cluster.len();
    format!("\\0a\\{:02x}\\0a\\{length:02x}{cluster}", length + 2)
}

#[test]
fn a_cluster_is_named_plainly_or_by_a_message() {
    let yes = || Cluster::answering(Answer::grpc(0).message("yes"));
    assert_eq!(
        heard(&ok(&call(&message("side"), 1000)), yes()),
        ["message for 5", "yes"]
    );
    let plain = expect(&call("nobody", 1000), Status::ParseFailure)
        + &expect(&stream("nobody"), Status::ParseFailure);
    assert_eq!(heard(&plain, yes()), [""; 0]);
    let unknown = expect(&call(&message("nobody"), 1000), Status::InternalFailure);
    assert_eq!(heard(&unknown, yes()), ["closed 14", "Cluster not available"]);
    let google = expect(&call("\\12\\00", 1000), Status::Unimplemented);
    assert_eq!(heard(&google, yes()), [""; 0]);
}

#[test]
fn a_cluster_without_hosts_closes_a_call_and_crashes_a_stream() {
    let failed = expect(&call("side", 1000), Status::InternalFailure);
    assert_eq!(
        heard(&failed, Cluster::empty()),
        ["closed 14", "no healthy upstream{no_healthy_upstream}"]
    );
    for (crashing, what) in [
        (stream("side"), "to open a gRPC stream to a cluster without hosts"),
        (call("", 1000), "to call a gRPC service that names no cluster"),
    ] {
        let (process, plugin) = serving(&listening(&expect(&crashing, Status::InternalFailure)));
        process.cluster("side", Cluster::empty());
        let error = plugin.worker(0).request(Request::get("/")).unwrap_err();
        assert_eq!(error, HostError::Crash { what });
    }
}

#[test]
fn nothing_comes_back_to_a_root_context_that_has_gone() {
    let late = Answer::grpc(0).message("late").after(Duration::from_secs(1));
    let process = Process::new(1);
    let plugin = process.load(&probe(&listening(&(ok(&call("side", 0)) + &ok(&stream("side"))))));
    process.cluster("side", Cluster::answering(late).answering_at_headers());
    plugin.configure("first").unwrap();
    plugin.worker(0).request(Request::get("/")).unwrap();
    plugin.configure("second").unwrap();
    assert!(
        process.calls().iter().all(|call| call.reset),
        "both are given up with their root context"
    );
    process.advance(Duration::from_secs(2)).unwrap();
    assert_eq!(said(&process), [""; 0]);
}

#[test]
fn maps_and_buffers_of_grpc_are_empty_outside_of_its_callbacks() {
    let body = expect(
        "(call $proxy_get_header_map_value (i32.const 4) 'x-initial' (i32.const 16) (i32.const 20))",
        Status::BadArgument,
    ) + "(call $ok (call $proxy_get_buffer_status (i32.const 5) (i32.const 24) (i32.const 28)))
         (call $expect (i32.load (i32.const 24)) (i32.const 0))";
    let (_process, plugin) = serving(&(callback("proxy_on_request_headers", "i32 i32", &body)));
    plugin.worker(0).request(Request::get("/")).unwrap();
}
