//! Ticks, done, log levels, clocks, foreign functions, gRPC.

use std::time::Duration;

use crate::probes::{Probe, call, number_of, only, pairs, release, status_of};
use crate::scenario::{Answer, Client, Cluster, Scenario};

fn in_request(body: &str) -> Scenario {
    Scenario::new(Probe::quiet().on("request_headers", body)).get()
}

fn foreign(name: &str, argument: &str) -> String {
    format!("(i32.store #20 #0) (!hex '{name}' (!proxy_call_foreign_function '{name}' '{argument}' #16 #20))")
}

fn tick(milliseconds: u32) -> String {
    status_of("set_tick_period_milliseconds", &format!("#{milliseconds}"))
}

/// Calls a unary method, held until it closes.
fn grpc(cluster: &str) -> Probe {
    let call = number_of(
        "grpc_call",
        &format!(
            "'{cluster}' 'pkg.Service' 'Method' {} 'msg' #1000",
            pairs(&[("x-meta", "1")])
        ),
    );
    grpc_callbacks(&format!("{call} (return #1)"))
}

fn grpc_callbacks(start: &str) -> Probe {
    let status = "(!number_at 'code' (!proxy_get_status #24 #16 #20)) (!value 'message' #0)";
    Probe::tracing()
        .on("request_headers", start)
        .on(
            "grpc_receive_initial_metadata",
            "(!map #4) (!header #4 'x-initial')",
        )
        .on(
            "grpc_receive",
            &format!("(!buffer #5 #0 #99) {status} {}", only(1, &release(2, 0))),
        )
        .on(
            "grpc_receive_trailing_metadata",
            "(!map #5) (!header #5 'x-trailing')",
        )
        .on("grpc_close", &format!("{status} {}", release(2, 0)))
}

fn grpc_answer() -> Answer {
    Answer::status(200)
        .header("content-type", "application/grpc")
        .header("x-initial", "1")
        .chunk("\0\0\0\0\u{5}reply")
        .part(crate::scenario::Part::Trailers(vec![
            ("grpc-status", "0"),
            ("x-trailing", "1"),
        ]))
}

fn grpc_failure() -> Answer {
    Answer::status(200)
        .header("content-type", "application/grpc")
        .header("grpc-status", "7")
        .header("grpc-message", "no way")
}

scenarios! {
    ticks_end_with_zero: Scenario::new(Probe::quiet().with("(global $n (mut i32) #0)").on("configure", &tick(10))
        .on("tick", &format!("(global.set $n (i32.add (global.get $n) #1)) (if (i32.eq (global.get $n) #3) (then {} (!say 'last')))", tick(0)))).said("last").get();
    tick_from_a_stream: Scenario::new(Probe::quiet().on("request_headers", &tick(10)).on("tick", &tick(0))).get().said("#1 tick");
    done_later: Scenario::new(Probe::tracing().on("done", "(return #0)").on("log", &status_of("done", ""))).get();
    done_later_by_a_tick: Scenario::new(Probe::tracing().on("done", &format!("{} (return #0)", tick(10)))
        .on("tick", &(tick(0) + &status_of("set_effective_context", "#2") + &status_of("done", "") + &status_of("done", "")))).get().said_times("done !", 2);
    done_not_asked_for: in_request(&status_of("done", ""));
    done_never: Scenario::new(Probe::tracing().on("done", "(return #0)")).get().get();
    log_levels: in_request(&(number_of("get_log_level", "") + &[0, 1, 2, 3, 4, 5, 6, 99].map(|level| status_of("log", &format!("#{level} 'level'"))).concat()));
    clock: in_request("(!status 'time' (!proxy_get_current_time_nanoseconds #24)) (!number 'later than 2020' (i64.gt_u (i64.load #24) (i64.const 1577836800000000000)))");
    pointers: in_request("(!status 'log' (!proxy_log #2 #4194303 #2)) (!status 'wrapped' (!proxy_log #2 #-1 #-1)) (!status 'time' (!proxy_get_current_time_nanoseconds #4194302)) (!status 'header' (!proxy_get_header_map_value #0 ':path' #4194302 #20)) (!status 'name' (!proxy_get_header_map_value #0 #4194303 #9 #16 #20))");
    foreign_functions: in_request(&[foreign("none", "x"), foreign("compress", "aaaaaaaaaa"), foreign("uncompress", "junk"), foreign("clear_route_cache", ""), foreign("set_envoy_filter_state", "\\0a\\01k\\12\\01v"), foreign("declare_property", "\\0a\\01d"),
        foreign("expr_create", "request.path"), foreign("expr_evaluate", "\\00\\00\\00\\00"), foreign("expr_delete", "\\00\\00\\00\\00"), foreign("verify_signature", ""), foreign("sign", "")].concat());
    foreign_expressions: in_request("(!status 'create' (!proxy_call_foreign_function 'expr_create' 'request.path + request.method' #16 #20)) (!number 'size' (i32.load #20))
        (!value 'evaluate' (!proxy_call_foreign_function 'expr_evaluate' (i32.load #16) (i32.load #20) #16 #20))");
    foreign_compress_there_and_back: in_request("(!status 'compress' (!proxy_call_foreign_function 'compress' 'aaaaaaaaaaaaaaaaaaaa' #16 #20)) (!value 'uncompress' (!proxy_call_foreign_function 'uncompress' (i32.load #16) (i32.load #20) #16 #20))");
    foreign_clear_route_cache: Scenario::new(Probe::quiet().on("request_headers", &(status_of("replace_header_map_value", "#0 ':path' '/other'") + &foreign("clear_route_cache", ""))))
        .route("/other", crate::scenario::Target::Cluster("other")).cluster(Cluster::new("other").answers(Answer::status(201))).get();
    foreign_filter_state: in_request(&[foreign("set_envoy_filter_state", "\\0a\\01k\\12\\01v").as_str(), "(!property 'filter_state\\00k')", "(!property 'k')"].concat());
    close_stream: in_request(&[2, 3, 9].map(|kind| status_of("close_stream", &format!("#{kind}"))).concat());
    close_the_request: Scenario::new(Probe::tracing().on("request_headers", &(status_of("close_stream", "#0") + "(return #1)"))).get();
    close_the_response: Scenario::new(Probe::tracing().on("response_headers", &(status_of("close_stream", "#1") + "(return #1)"))).get();
    status_of_nothing: in_request("(!number_at 'code' (!proxy_get_status #24 #16 #20)) (!value 'message' #0)");
    grpc_unknown_cluster: in_request(&number_of("grpc_call", "'none' 'pkg.Service' 'Method' '' 'msg' #1000"));
    grpc_stream_unknown_cluster: in_request(&number_of("grpc_stream", "'none' 'pkg.Service' 'Method' ''"));
    grpc_unknown_token: in_request(&(status_of("grpc_send", "#2 'x' #1") + &status_of("grpc_close", "#2") + &status_of("grpc_cancel", "#1") + &status_of("grpc_cancel", "#4")));
    grpc_called: Scenario::new(grpc("~side")).cluster(Cluster::new("side").answers(grpc_answer())).get();
    grpc_fails: Scenario::new(grpc("~side")).cluster(Cluster::new("side").answers(grpc_failure())).get();
    grpc_times_out: Scenario::new(grpc("~side")).cluster(Cluster::new("side").answers(Answer::never())).get();
    grpc_refused: Scenario::new(grpc("~side")).cluster(Cluster::new("side").refuses()).get();
    grpc_http_error: Scenario::new(grpc("~side")).cluster(Cluster::new("side").answers(Answer::status(503))).get();
    grpc_streamed: Scenario::new(grpc_callbacks(&format!("{} (!status 'send' (!proxy_grpc_send #6 'one' #0)) (!status 'send' (!proxy_grpc_send #6 'two' #1)) (return #1)",
        number_of("grpc_stream", &format!("'~side' 'pkg.Service' 'Method' {}", pairs(&[("x-meta", "1")])))))).cluster(Cluster::new("side").answers(grpc_answer()))
        .answer(Answer::hello().after(Duration::from_millis(100))).get().said("grpc_close");
    grpc_cancelled: Scenario::new(grpc_callbacks(&format!("{} {}", number_of("grpc_call", "'~side' 'pkg.Service' 'Method' '' 'msg' #1000"), status_of("grpc_cancel", "#5")))).cluster(Cluster::new("side").answers(grpc_answer())).get();
    call_while_done: Scenario::new(Probe::tracing().on("done", &call("~side", 1000)).on("http_call_response", "(!header #6 ':status')")).cluster(Cluster::new("side").answers(Answer::status(202))).send(Client::get("/")).said(":status");
}
