//! WASI: what a module built for it finds in Envoy.

use std::time::Duration;

use weir_wasm_tests::{Fleet, LogLevel, Module, Plugin, PluginOptions, Process, Request};

use crate::probe::{WASI, on_request, probe, said, serving};

const SUCCESS: u32 = 0;
const BAD_DESCRIPTOR: u32 = 8;
const EXISTS: u32 = 20;
const BAD_ADDRESS: u32 = 21;
const INVALID_ARGUMENT: u32 = 28;
const NO_SUCH_FILE: u32 = 44;
const NOT_IMPLEMENTED: u32 = 52;
const NOT_SUPPORTED: u32 = 58;

/// Answers that depend on the file descriptor alone: for stdin, stdout, stderr and one that is not open.
const FIXED: [(&str, [u32; 4]); 33] = [
    ("args_get", [SUCCESS; 4]),
    ("fd_advise", [SUCCESS; 4]),
    ("fd_allocate", OUTPUTS),
    ("fd_close", [SUCCESS; 4]),
    ("fd_datasync", OUTPUTS),
    ("fd_fdstat_set_flags", [NOT_IMPLEMENTED; 4]),
    ("fd_fdstat_set_rights", OUTPUTS),
    ("fd_filestat_get", [BAD_DESCRIPTOR; 4]),
    ("fd_filestat_set_size", OUTPUTS),
    ("fd_filestat_set_times", OUTPUTS),
    ("fd_pread", [NOT_IMPLEMENTED; 4]),
    ("fd_prestat_dir_name", [NOT_IMPLEMENTED; 4]),
    ("fd_prestat_get", [BAD_DESCRIPTOR; 4]),
    ("fd_read", [NOT_IMPLEMENTED; 4]),
    ("fd_readdir", [EXISTS; 4]),
    ("fd_renumber", [BAD_DESCRIPTOR; 4]),
    ("fd_seek", [SUCCESS; 4]),
    ("fd_sync", OUTPUTS),
    ("path_create_directory", [NOT_SUPPORTED; 4]),
    ("path_filestat_get", [NOT_SUPPORTED; 4]),
    ("path_filestat_set_times", [NOT_SUPPORTED; 4]),
    ("path_link", [NOT_SUPPORTED; 4]),
    ("path_open", [NO_SUCH_FILE; 4]),
    ("path_readlink", [NOT_SUPPORTED; 4]),
    ("path_remove_directory", [NOT_SUPPORTED; 4]),
    ("path_rename", [NOT_SUPPORTED; 4]),
    ("path_symlink", [NOT_SUPPORTED; 4]),
    ("path_unlink_file", [NOT_SUPPORTED; 4]),
    ("sched_yield", [SUCCESS; 4]),
    ("sock_accept", [NOT_SUPPORTED; 4]),
    ("sock_recv", [NOT_SUPPORTED; 4]),
    ("sock_send", [NOT_SUPPORTED; 4]),
    ("sock_shutdown", [NOT_SUPPORTED; 4]),
];

/// Done for stdout and stderr.
const OUTPUTS: [u32; 4] = [BAD_DESCRIPTOR, SUCCESS, SUCCESS, BAD_DESCRIPTOR];

/// The first address that is outside of memory.
const OUTSIDE: u32 = 64 << 16;

/// Writes the address and the size of a text to where a list of pieces wants them.
const PIECE: &str = "(func $piece (param $at i32) (param $text i32) (param $size i32)
    (i32.store (local.get $at) (local.get $text))
    (i32.store offset=4 (local.get $at) (local.get $size)))";

fn status(label: &str, call: &str) -> String {
    format!("(!status '{label}' {call})\n")
}

/// What this logs when it runs once.
fn heard(body: &str) -> Vec<String> {
    said(&after_request(body).0)
}

fn after_request(body: &str) -> (Process, Plugin) {
    let (process, plugin) = serving(&(on_request(body) + PIECE));
    plugin.worker(0).request(Request::get("/")).unwrap();
    (process, plugin)
}

/// The levels and texts of the lines that this logs, its own numbers aside.
fn written(body: &str) -> Vec<(LogLevel, String)> {
    let lines = after_request(body).0.logs().into_iter();
    lines.map(|line| (line.level, line.text)).collect()
}

/// A call with this first argument, and nothing but zeros after it.
fn call(name: &str, first: usize) -> String {
    let (_, params) = WASI.iter().find(|(known, _)| *known == name).unwrap();
    let argument = |(index, kind)| {
        let value = if index == 0 { first } else { 0 };
        let bits = if kind == 'I' { 64 } else { 32 };
        format!(" (i{bits}.const {value})")
    };
    let arguments: String = params.chars().enumerate().map(argument).collect();
    format!("(!{name}{arguments})")
}

#[test]
fn what_is_not_offered_answers_by_its_descriptor_alone() {
    let calls = FIXED.iter().flat_map(|(name, answers)| {
        let of_descriptor = move |(descriptor, answer): (usize, &u32)| {
            let label = format!("{name} {descriptor}");
            (
                status(&label, &call(name, descriptor)),
                format!("{label} !{answer}"),
            )
        };
        answers.iter().enumerate().map(of_descriptor)
    });
    let (calls, expected): (String, Vec<String>) = calls.unzip();
    assert_eq!(heard(&calls), expected);
}

#[test]
fn the_version_before_preview_1_has_the_same_functions() {
    let module = |from: &str, name: &str| {
        let text = format!(
            r#"(module (import "{from}" "{name}" (func (param i32) (result i32)))
               (func (export "proxy_abi_version_0_2_1")))"#
        );
        Module::from_binary("probe", &wat::parse_str(text).unwrap())
    };
    for from in ["wasi_snapshot_preview1", "wasi_unstable"] {
        module(from, "fd_close").unwrap();
        let error = module(from, "proc_raise").unwrap_err().to_string();
        assert!(error.contains(&format!("{from}::proc_raise")), "{error}");
    }
}

#[test]
fn stdout_and_stderr_are_logged_as_one_line_each_time() {
    let line = |level, text: &str| (level, text.to_owned());
    let pieces = "(!piece #40960 'hello\\0awo') (!piece #40968 '') (!piece #40976 'rld\\0a\\0a')";
    for function in ["fd_write", "fd_pwrite"] {
        let offset = if function == "fd_write" {
            ""
        } else {
            "(i64.const 5)"
        };
        let write = |descriptor: u32| {
            let write = format!("(!{function} #{descriptor} #40960 #3 {offset} #24)");
            format!("(i64.store #24 (i64.const 0)) (!number_at '{function}' {write})")
        };
        let body = pieces.to_owned() + &(0..4).map(write).collect::<String>();
        let refused = line(LogLevel::Info, &format!("{function} !8"));
        let said = line(LogLevel::Info, &format!("{function} !0 13"));
        assert_eq!(
            written(&body),
            [
                refused.clone(),
                line(LogLevel::Info, "hello\nworld\n"),
                said.clone(),
                line(LogLevel::Error, "hello\nworld\n"),
                said,
                refused
            ]
        );
    }
}

#[test]
fn nothing_is_logged_when_nothing_is_written() {
    let write = |text: &str| {
        format!(
            "(!piece #40960 '{text}') (i32.store #24 #9) (!number_at 'size' (!fd_write #1 #40960 #1 #24))"
        )
    };
    assert_eq!(heard(&write("")), ["size !0 0"]);
    assert_eq!(heard(&write("\\0a")), ["", "size !0 1"]);
    assert_eq!(
        heard("(i32.store #24 #9) (!number_at 'size' (!fd_write #1 #40960 #0 #24))"),
        ["size !0 0"]
    );
}

#[test]
fn an_address_outside_of_memory_is_an_errno() {
    let outside = OUTSIDE;
    let bad = [
        format!("(!fd_write #1 #{outside} #1 #24)"),
        "(!fd_write #1 #-4 #1 #24)".to_owned(),
        format!("(!fd_pwrite #1 #{outside} #1 (i64.const 0) #24)"),
        format!("(!fd_write #1 #40960 #1 #{outside})"),
        format!("(!fd_tell #1 #{outside})"),
        format!("(!clock_time_get #0 (i64.const 0) #{outside})"),
        format!("(!clock_res_get #1 #{outside})"),
        format!("(!random_get #{outside} #8)"),
        format!("(!environ_get #40960 #{outside})"),
        format!("(!environ_get #{outside} #40960)"),
        format!("(!environ_get #40960 #{})", outside - 1),
        format!("(!environ_sizes_get #{outside} #24)"),
        format!("(!environ_sizes_get #24 #{outside})"),
        format!("(!args_sizes_get #{outside} #24)"),
        format!("(!args_sizes_get #24 #{outside})"),
        format!("(!poll_oneoff #40960 #40960 #1 #{outside})"),
    ];
    for bad in bad {
        let body = "(!piece #40960 'logged first')".to_owned() + &status("", &bad);
        let (process, _plugin) = with_environment(&body, &[("A", "b")]);
        let said = said(&process);
        let (answer, logged) = said.split_last().unwrap();
        assert_eq!(answer, &format!(" !{BAD_ADDRESS}"), "{bad}");
        assert_eq!(
            logged.is_empty(),
            !bad.contains("fd_write #1 #40960"),
            "{bad}: {said:?}"
        );
    }
}

#[test]
fn an_address_that_is_not_needed_may_be_anything() {
    let outside = OUTSIDE;
    let good = [
        (format!("(!fd_fdstat_get #1 #{outside})"), SUCCESS),
        (format!("(!fd_fdstat_get #3 #{outside})"), BAD_DESCRIPTOR),
        (format!("(!fd_tell #3 #{outside})"), BAD_DESCRIPTOR),
        (format!("(!fd_write #3 #{outside} #1 #{outside})"), BAD_DESCRIPTOR),
        (
            format!("(!clock_time_get #3 (i64.const 0) #{outside})"),
            NOT_SUPPORTED,
        ),
        (format!("(!random_get #{outside} #0)"), SUCCESS),
        (format!("(!args_get #{outside} #{outside})"), SUCCESS),
        (format!("(!environ_get #{outside} #{outside})"), SUCCESS),
        (format!("(!poll_oneoff #{outside} #{outside} #1 #24)"), SUCCESS),
        (
            format!("(!fd_seek #1 (i64.const 0) #{outside} #{outside})"),
            SUCCESS,
        ),
    ];
    for (good, answer) in good {
        assert_eq!(heard(&status("", &good)), [format!(" !{answer}")], "{good}");
    }
}

/// Fills 32 bytes at 40960 with ones, calls, and says what the 32 bytes are then.
fn bytes_after(call: &str) -> Vec<String> {
    heard(&format!(
        "(memory.fill #40960 #255 #32) (i32.store #16 #40960) (i32.store #20 #32) (!hex 'bytes' {call})"
    ))
}

#[test]
fn an_output_can_be_written_to_and_stands_at_0() {
    let ones = |count: usize| "f".repeat(2 * count);
    let zeros = |count: usize| "0".repeat(2 * count);
    let stat = zeros(8) + "40" + &zeros(7) + &zeros(8) + &ones(8);
    assert_eq!(
        bytes_after("(!fd_fdstat_get #2 #40960)"),
        [format!("bytes={stat}")]
    );
    let position = zeros(8) + &ones(24);
    assert_eq!(bytes_after("(!fd_tell #1 #40960)"), [format!("bytes={position}")]);
    let untouched = format!("bytes={}", ones(32));
    assert_eq!(bytes_after("(!fd_seek #1 (i64.const 0) #0 #40960)"), [untouched]);
    for refused in ["(!fd_fdstat_get #0 #40960)", "(!fd_tell #3 #40960)"] {
        assert_eq!(bytes_after(refused), ["bytes !8"]);
    }
}

#[test]
fn the_wall_clock_can_be_set_and_the_steady_one_can_not() {
    let read = |clock: u32| {
        format!("(!ok (!clock_time_get #{clock} (i64.const 0) #24)) (!number64 '' (i64.load #24))\n")
    };
    let fleet = Fleet::new();
    let process = fleet.process(1);
    let plugin = process.load(&probe(&on_request(&(read(0) + &read(1)))));
    plugin.configure("{}").unwrap();
    let now = || {
        let before = said(&process).len();
        plugin.worker(0).request(Request::get("/")).unwrap();
        let read = said(&process).split_off(before);
        [0, 1].map(|clock: usize| read[clock].parse::<u128>().unwrap())
    };
    let [wall, steady] = now();
    assert_eq!(wall, fleet.now().as_nanos());
    fleet.advance(Duration::from_nanos(1_000_005)).unwrap();
    fleet.step_clock(-7);
    assert_eq!(now(), [wall + 1_000_005 - 7, steady + 1_000_005]);
}

#[test]
fn two_clocks_count_nanoseconds_and_there_are_no_others() {
    let resolution = |clock: u32| format!("(!number_at '{clock}' (!clock_res_get #{clock} #24))\n");
    assert_eq!(
        heard(&(0..4).map(resolution).collect::<String>()),
        ["0 !0 1", "1 !0 1", "2 !58", "3 !58"]
    );
    let time = |clock: u32| status("", &format!("(!clock_time_get #{clock} (i64.const 0) #24)"));
    assert_eq!(heard(&(time(2) + &time(3))), [" !58", " !58"]);
}

/// What the filters of two processes draw in a fleet with this seed.
fn drawn(seed: u64) -> Vec<String> {
    let draw = "(i32.store #16 #40960) (i32.store #20 #8) (!hex '' (!random_get #40960 #8))";
    let fleet = Fleet::seeded(seed);
    let drawn = [1, 2].map(|_| {
        let process = fleet.process(1);
        let plugin = process.load(&probe(&on_request(&draw.repeat(2))));
        plugin.configure("{}").unwrap();
        plugin.worker(0).request(Request::get("/")).unwrap();
        said(&process)
    });
    drawn.concat()
}

#[test]
fn random_bytes_follow_from_the_fleets_seed() {
    assert_eq!(drawn(7), drawn(7));
    let mut all = [drawn(7), drawn(8)].concat();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 8, "every draw differs: {all:?}");
}

#[test]
fn no_more_than_64_kib_of_random_bytes_come_at_once() {
    let draw = |size: u32| status("", &format!("(!random_get #1048576 #{size})"));
    assert_eq!(
        heard(&(draw(0) + &draw(65536) + &draw(65537) + &draw(u32::MAX >> 1))),
        [SUCCESS, SUCCESS, INVALID_ARGUMENT, INVALID_ARGUMENT].map(|answer| format!(" !{answer}"))
    );
}

fn with_environment(body: &str, environment: &[(&str, &str)]) -> (Process, Plugin) {
    let process = Process::new(1);
    let module = probe(&(on_request(body) + PIECE));
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let options = PluginOptions {
        environment: environment.iter().map(owned).collect(),
        ..PluginOptions::of(&module)
    };
    let plugin = process.load_with(&module, options);
    plugin.configure("{}").unwrap();
    plugin.worker(0).request(Request::get("/")).unwrap();
    (process, plugin)
}

/// Says the two numbers that a function writes.
fn sizes(function: &str) -> String {
    format!(
        "(i32.store #40960 #9) (i32.store #40964 #9) (!ok (!{function} #40960 #40964))
         (!number 'count' (i32.load #40960)) (!number 'size' (i32.load #40964))\n"
    )
}

#[test]
fn environment_variables_are_those_of_the_options() {
    let get = "(!ok (!environ_get #40960 #45056))
        (!number '' (i32.load #40960)) (!number '' (i32.load #40964)) (!number '' (i32.load #40968))
        (i32.store #16 #45056) (i32.store #20 #11) (!value '' #0)";
    let body = sizes("environ_sizes_get") + get;
    let (process, _plugin) = with_environment(&body, &[("A", "b"), ("CC", "dd")]);
    let expected = ["count 2", "size 10", "45056", "45060", "0", "=A=b.CC=dd.."];
    assert_eq!(said(&process), expected);
    assert_eq!(heard(&sizes("environ_sizes_get")), ["count 0", "size 0"]);
}

#[test]
fn there_are_no_arguments() {
    let (process, _plugin) = with_environment(&sizes("args_sizes_get"), &[("A", "b")]);
    assert_eq!(said(&process), ["count 0", "size 0"]);
}

#[test]
fn waiting_takes_no_time_and_brings_no_event() {
    let poll = "(i32.store #24 #9) (!number_at 'events' (!poll_oneoff #40960 #45056 #1 #24))";
    assert_eq!(heard(poll), ["events !0 0"]);
}

#[test]
fn a_module_goes_on_after_it_has_exited() {
    assert_eq!(heard("(!proc_exit #3) (!say 'still here')"), ["still here"]);
}

#[test]
fn what_emscripten_imports_is_there() {
    let body = "(!emscripten_notify_memory_growth #0)
        (!number 'same' (!pthread_equal #3 #3)) (!number 'other' (!pthread_equal #3 #4))";
    assert_eq!(heard(body), ["same 1", "other 0"]);
}
