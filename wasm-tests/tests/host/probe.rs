//! Modules written for one test, in WebAssembly text: callbacks that call host functions and log what they got.

use std::collections::BTreeMap;

use weir_wasm_tests::{HeaderMap, LogLine, Module, Plugin, Process, Request};

/// Every host function of the ABI and its parameters (i: 32 bits, I: 64 bits); a probe imports all of them.
pub(crate) const IMPORTS: [(&str, &str); 39] = [
    ("proxy_add_header_map_value", "iiiii"),
    ("proxy_call_foreign_function", "iiiiii"),
    ("proxy_close_stream", "i"),
    ("proxy_continue_stream", "i"),
    ("proxy_define_metric", "iiii"),
    ("proxy_dequeue_shared_queue", "iii"),
    ("proxy_done", ""),
    ("proxy_enqueue_shared_queue", "iii"),
    ("proxy_get_buffer_bytes", "iiiii"),
    ("proxy_get_buffer_status", "iii"),
    ("proxy_get_current_time_nanoseconds", "i"),
    ("proxy_get_header_map_pairs", "iii"),
    ("proxy_get_header_map_size", "ii"),
    ("proxy_get_header_map_value", "iiiii"),
    ("proxy_get_log_level", "i"),
    ("proxy_get_metric", "ii"),
    ("proxy_get_property", "iiii"),
    ("proxy_get_shared_data", "iiiii"),
    ("proxy_get_status", "iii"),
    ("proxy_grpc_call", "iiiiiiiiiiii"),
    ("proxy_grpc_cancel", "i"),
    ("proxy_grpc_close", "i"),
    ("proxy_grpc_send", "iiii"),
    ("proxy_grpc_stream", "iiiiiiiii"),
    ("proxy_http_call", "iiiiiiiiii"),
    ("proxy_increment_metric", "iI"),
    ("proxy_log", "iii"),
    ("proxy_record_metric", "iI"),
    ("proxy_register_shared_queue", "iii"),
    ("proxy_remove_header_map_value", "iii"),
    ("proxy_replace_header_map_value", "iiiii"),
    ("proxy_resolve_shared_queue", "iiiii"),
    ("proxy_send_local_response", "iiiiiiii"),
    ("proxy_set_buffer_bytes", "iiiii"),
    ("proxy_set_effective_context", "i"),
    ("proxy_set_header_map_pairs", "iii"),
    ("proxy_set_property", "iiii"),
    ("proxy_set_shared_data", "iiiii"),
    ("proxy_set_tick_period_milliseconds", "i"),
];

/// What every probe has. Host functions write a value's address to 16, its size to 20, a number to 24.
const PRELUDE: &str = r#"
  (memory (export "memory") 2)
  (global $heap (mut i32) (i32.const 65536))
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "malloc") (param $size i32) (result i32)
    global.get $heap
    (global.set $heap (i32.add (global.get $heap) (local.get $size))))
  ;; Traps unless the status is the one expected.
  (func $expect (param $status i32) (param $expected i32)
    (if (i32.ne (local.get $status) (local.get $expected)) (then unreachable)))
  (func $ok (param $status i32) (call $expect (local.get $status) (i32.const 0)))
  (func $say (param $text i32) (param $size i32)
    (call $ok (call $proxy_log (i32.const 2) (local.get $text) (local.get $size))))
  ;; The text, then a digit.
  (func $say_digit (param $text i32) (param $size i32) (param $digit i32)
    (memory.copy (i32.const 512) (local.get $text) (local.get $size))
    (i32.store8 (i32.add (i32.const 512) (local.get $size)) (i32.add (i32.const 48) (local.get $digit)))
    (call $say (i32.const 512) (i32.add (local.get $size) (i32.const 1))))
  (func $say_value (call $say (i32.load (i32.const 16)) (i32.load (i32.const 20))))
"#;

/// A module with these callbacks. In them, `'text'` stands for the address and the length of that text; a byte is
/// written `\00`.
pub(crate) fn probe(callbacks: &str) -> Module {
    let (callbacks, data) = lay_out(callbacks);
    let imports: String = IMPORTS
        .iter()
        .map(|(name, params)| import(name, params))
        .collect();
    let text = format!("(module {imports} {PRELUDE} {callbacks} {data})");
    let wasm = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}"));
    Module::from_binary("probe", &wasm).unwrap_or_else(|error| panic!("{error}"))
}

fn import(name: &str, params: &str) -> String {
    let params: String = params
        .chars()
        .map(|kind| if kind == 'I' { "i64 " } else { "i32 " })
        .collect();
    format!("(import \"env\" \"{name}\" (func ${name} (param {params}) (result i32)))\n")
}

/// Puts the texts into data segments from 1024 on.
fn lay_out(callbacks: &str) -> (String, String) {
    let (mut code, mut data) = (String::new(), String::new());
    let mut known: BTreeMap<&str, u32> = BTreeMap::new();
    let mut next = 1024;
    for (index, part) in callbacks.split('\'').enumerate() {
        if index % 2 == 0 {
            code.push_str(part);
            continue;
        }
        let length = part.len() - 2 * part.matches('\\').count();
        let address = *known.entry(part).or_insert_with(|| {
            data.push_str(&format!("(data (i32.const {next}) \"{part}\")\n"));
            let address = next;
            next += u32::try_from(length).unwrap();
            address
        });
        code.push_str(&format!("(i32.const {address}) (i32.const {length})"));
    }
    (code, data)
}

/// `on_request_headers` with this body, going on; the stream's id is `$id`.
pub(crate) fn on_request(body: &str) -> String {
    callback("proxy_on_request_headers", "i32 i32", body)
}

/// A callback that answers 0, with parameters after the context's id.
pub(crate) fn callback(name: &str, params: &str, body: &str) -> String {
    format!("(func (export \"{name}\") (param $id i32) (param {params}) (result i32) {body} (i32.const 0))\n")
}

/// A callback without an answer.
pub(crate) fn event(name: &str, body: &str) -> String {
    format!("(func (export \"{name}\") (param $id i32) {body})\n")
}

/// A process with one worker that runs the probe, configured with `{}`.
pub(crate) fn serving(callbacks: &str) -> (Process, Plugin) {
    let process = Process::new(1);
    let plugin = process.load(&probe(callbacks));
    plugin.configure("{}").unwrap();
    (process, plugin)
}

/// The headers that go on when this runs in `on_request_headers`.
pub(crate) fn headers_after(body: &str, request: Request) -> HeaderMap {
    let (_process, plugin) = serving(&on_request(body));
    plugin.worker(0).request(request).unwrap().headers
}

/// What was logged on the workers.
pub(crate) fn said(process: &Process) -> Vec<String> {
    texts(process, |line| line.worker.is_some())
}

/// What was logged in lines of a kind.
pub(crate) fn texts(process: &Process, which: impl Fn(&LogLine) -> bool) -> Vec<String> {
    let lines = process.logs().into_iter().filter(which);
    lines.map(|line| line.text).collect()
}
