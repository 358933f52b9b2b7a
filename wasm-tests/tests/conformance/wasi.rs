//! WASI: answers, and what is written to memory and to the log.

use crate::probes::{Probe, WASI};
use crate::scenario::Scenario;

fn in_request(body: &str) -> Scenario {
    Scenario::new(Probe::quiet().with(PIECE).on("request_headers", body)).get()
}

/// Fills memory with ones, calls, and says the status or the bytes that are there then.
fn bytes(label: &str, call: &str) -> String {
    format!(
        "(memory.fill #40960 #255 #32) (i32.store #16 #40960) (i32.store #20 #32) (!hex '{label}' {call})\n"
    )
}

fn statuses<'a>(calls: impl IntoIterator<Item = &'a str>) -> String {
    calls
        .into_iter()
        .map(|call| format!("(!status '{}' {call})\n", &call[2..call.len() - 1]))
        .collect()
}

/// Every function that can answer the same twice, with a first argument of 0 to 3 and the address after it.
fn everything() -> String {
    let functions = WASI
        .iter()
        .filter(|(name, _)| !["clock_time_get", "random_get", "fd_write", "fd_pwrite"].contains(name));
    let calls = functions.flat_map(|(name, params)| {
        (0..4).map(move |first| {
            let argument = |(index, kind)| {
                let value = if index == 0 { first } else { 40960 };
                format!(" (i{}.const {value})", if kind == 'I' { 64 } else { 32 })
            };
            let arguments: String = params.chars().enumerate().map(argument).collect();
            bytes(&format!("{name} {first}"), &format!("(!{name}{arguments})"))
        })
    });
    calls.collect()
}

/// A text as two pieces, at 40960.
const PIECES: &str = "(!piece #40960 'abc') (!piece #40968 'de\\0a')";

const PIECE: &str = "(func $piece (param $at i32) (param $text i32) (param $size i32)
    (i32.store (local.get $at) (local.get $text))
    (i32.store offset=4 (local.get $at) (local.get $size)))";

scenarios! {
    wasi_everything: in_request(&everything());
    wasi_output: in_request(&format!("{PIECES} (!number_at 'stdout' (!fd_write #1 #40960 #2 #24)) (!number_at 'stderr' (!fd_write #2 #40960 #2 #24))
        (!number_at 'stdin' (!fd_write #0 #40960 #2 #24)) (!number_at 'one' (!fd_pwrite #1 #40960 #1 (i64.const 9) #24)) (!number_at 'none' (!fd_write #1 #40960 #0 #24))"));
    wasi_addresses: in_request(&(PIECES.to_owned() + &statuses([
        "(!fd_write #1 #4194304 #1 #24)", "(!fd_write #1 #-4 #1 #24)", "(!fd_write #1 #40960 #2 #4194304)", "(!fd_write #3 #4194304 #1 #4194304)",
        "(!fd_tell #1 #4194304)", "(!fd_tell #3 #4194304)", "(!fd_fdstat_get #1 #4194304)", "(!clock_time_get #0 (i64.const 0) #4194304)",
        "(!clock_time_get #3 (i64.const 0) #4194304)", "(!clock_res_get #0 #4194304)", "(!random_get #4194304 #8)", "(!random_get #4194304 #0)",
        "(!environ_get #4194304 #4194304)", "(!environ_sizes_get #4194304 #24)", "(!environ_sizes_get #24 #4194304)", "(!args_get #4194304 #4194304)",
        "(!args_sizes_get #4194304 #24)", "(!args_sizes_get #24 #4194304)", "(!poll_oneoff #40960 #40960 #1 #4194304)",
    ])));
    wasi_limits: in_request(&statuses(["(!random_get #65536 #65536)", "(!random_get #65536 #65537)", "(!random_get #65536 #-1)", "(!clock_time_get #0 (i64.const 0) #24)",
        "(!clock_time_get #1 (i64.const 0) #24)", "(!clock_time_get #2 (i64.const 0) #24)", "(!pthread_equal #3 #3)", "(!pthread_equal #3 #4)"]));
    wasi_exit: in_request("(!emscripten_notify_memory_growth #0) (!proc_exit #3) (!say 'still here')");
}
